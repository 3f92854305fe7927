// What the edge sends to itself: requests on connections that an old worker kept, and requests that found no instance up. Pure.
import type { Protocol } from '../../../core/artifact/artifact.ts'
import type { Config } from './schema.ts'

/** The backends of a worker that was replaced: they lead to the worker of now. */
export const HANDOVER = { http: 'handover', h2c: 'handover_h2c' } as const
/** What old workers connect to: a loopback address nobody else uses, since connections to it must begin with a PROXY header. */
const HANDOVER_ADDRESS = '127.101.71.1'
/** The server of every backend that is used when no other is up, and a backend of it alone: the request comes in again, to wait. */
export const AGAIN = 'again'
const AGAIN_ADDRESS = '127.101.71.2'

/** What the frontend takes from the edge itself. Only this machine can connect to these addresses. */
export function loopback(config: Config): string {
  // Where the edge listens on one address only, these need their own.
  const bind = config.bind === '*' ? '' : `  bind ${HANDOVER_ADDRESS}:${config.httpPort},${AGAIN_ADDRESS}:${config.httpPort}\n`
  const proxies =
    config.proxyProtocol && config.trustedProxies.length > 0
      ? `  tcp-request connection expect-proxy layer4 if { src ${config.trustedProxies.join(' ')} }\n`
      : ''
  return `${bind}  tcp-request connection set-var(sess.own) bool(true) if { dst ${HANDOVER_ADDRESS} ${AGAIN_ADDRESS} } { src 127.0.0.0/8 }
  tcp-request connection set-var(sess.again) bool(true) if { dst ${AGAIN_ADDRESS} } { src 127.0.0.0/8 }
  tcp-request connection expect-proxy layer4 if { dst ${HANDOVER_ADDRESS} ${AGAIN_ADDRESS} } { src 127.0.0.0/8 }
${proxies}`
}

/** The backends that lead back to the frontend. */
export function loopbackBackends(config: Config): readonly string[] {
  return [handover(config), again(config)]
}

/**
 * Where a worker from before a reload sends what still comes on its visitors' kept connections: through the edge's own port to the
 * worker of now, which knows the instances of now and counts what is in flight to them. The PROXY header keeps the visitor's address.
 */
function handover(config: Config): string {
  const lines = (['http', 'h2c'] as const).map(
    (protocol) => `backend ${HANDOVER[protocol]} from common
  timeout server 24h
  retry-on conn-failure
  server now ${HANDOVER_ADDRESS}:${config.httpPort} send-proxy-v2${protocol === 'h2c' ? ' proto h2' : ''}
`,
  )
  return lines.join('\n')
}

/** For environments that are being repaired and have no backend at the moment. */
function again(config: Config): string {
  return `backend ${AGAIN} from common
  timeout server 24h
  retry-on conn-failure
${serverAgain(config, 'http', '')}`
}

/** The way back to the frontend when no instance is up, where lockgate.lua lets a request wait until an instance is up. */
export function againServer(config: Config, protocol: Protocol): string {
  return serverAgain(config, protocol, ' backup')
}

function serverAgain(config: Config, protocol: Protocol, when: '' | ' backup'): string {
  return `  server ${AGAIN} ${AGAIN_ADDRESS}:${config.httpPort}${when} send-proxy-v2${protocol === 'h2c' ? ' proto h2' : ''}\n`
}
