// The text of haproxy.cfg and of its map files. Pure. Nothing a user wrote stands in the configuration: hostnames and paths
// stand in a map as keys of a checked alphabet, page texts in a map as base64 of escaped HTML.

import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { admission, forwarded } from './forwarded.ts'
import { USUAL_NAMES } from './header-names.ts'
import { againServer, loopback, loopbackBackends } from './loopback.ts'
import { CANARY_COOKIE, luaPath, luaText } from './lua.ts'
import { NO_PAGE, STATIC_PAGES, unavailablePage } from './pages.ts'
import { namesOf } from './pool.ts'
import { CLASSES, type Config, mapFile, type Pool, type PoolBackend, type PoolClass } from './schema.ts'

/** What the text depends on beside the configuration: facts of this machine. */
export interface HostFacts {
  readonly ipv6: boolean
  /** The user the worker changes to, or null to stay who started it. */
  readonly user: string | null
}

export interface ConfigInput {
  readonly config: Config
  readonly host: HostFacts
  readonly pool: Pool
}

/** Where a free slot points to: nothing listens there. */
export const PARKED = { address: '127.0.0.1', port: 1 } as const
export const DEFAULT_TIMEOUT_MS = 60_000
/** 16 kB, HAProxy's own, is too little for what apps put into cookies and Content-Security-Policy. Above it HAProxy 2.6 answers 400 without a page. */
const BUFFER_BYTES = 131_072
/**
 * Requests a second for one app from which on none of its connections is idle so long that the app closes it: each is used again
 * after as many seconds as there are connections by this rate.
 */
const BUSY = 1_000

/** Where haproxy.cfg stands. */
export function configPath(config: Config): string {
  return `${config.directory}/haproxy.cfg`
}

/** Every page file by its name in `pages/`. */
export function pageFiles(config: Config): Readonly<Record<string, string>> {
  const fragment = `%[var(txn.env),map_str(${mapFile(config, 'pages')},${pageValue(NO_PAGE)}),field(2,:),b64dec]`
  return { ...STATIC_PAGES, '503.html': unavailablePage(fragment) }
}

/** `seconds:base64`: no space, no separator of the command line, and HTML that was escaped before. */
export function pageValue(page: { readonly fragment: string; readonly retryAfterSeconds: number }): string {
  return `${Math.max(1, Math.round(page.retryAfterSeconds))}:${Buffer.from(page.fragment).toString('base64')}`
}

/**
 * What a running worker cannot be given at runtime, as a short hash: recipe, ports, pages and the number of backends. The
 * worker shows it as its description; where it differs from this one, a reload is due.
 */
export function structureOf(input: ConfigInput): string {
  const bare = sections({ ...input, pool: { counts: input.pool.counts, backends: {} } }, 'structure')
  return createHash('sha256')
    .update(bare)
    .update(JSON.stringify(pageFiles(input.config)))
    .update(luaText(input.config))
    .digest('hex')
    .slice(0, 16)
}

/** haproxy.cfg with the real address and state of every slot, so that a worker that starts from it is right at once. */
export function configurationText(input: ConfigInput): string {
  return sections(input, structureOf(input))
}

/** A map file: a key and a value on each line. */
export function mapText(entries: ReadonlyMap<string, string>): string {
  return [...entries].map(([key, value]) => `${key} ${value}\n`).join('')
}

function sections(input: ConfigInput, structure: string): string {
  const parts = [global(input, structure), defaults(input.config), frontend(input), nowhere(input.config), ...loopbackBackends(input.config)]
  for (const size of CLASSES) {
    for (const name of namesOf(size, input.pool.counts[size.name] ?? 0)) parts.push(backend(input.config, { name, size, use: input.pool.backends[name] }))
  }
  return parts.join('\n')
}

function global({ config, host }: ConfigInput, structure: string): string {
  // maxconn is not set: HAProxy derives it from its own `ulimit -n`, and refuses to start when a set one does not fit.
  return `# Written by Lockgate. Changes here are lost.
global
  description lockgate-${structure}
  nbthread ${config.threads}
  fd-hard-limit 100000
  # A request's or an answer's headers must fit into a buffer. Buffers are lent to connections while data flows.
  tune.bufsize ${BUFFER_BYTES}
  tune.http.maxhdr 256
  stats socket ${config.directory}/admin.sock mode 600 level admin expose-fd listeners
  hard-stop-after 1h
  lua-load ${luaPath(config)}
${USUAL_NAMES.map((name) => `  h1-case-adjust ${name.toLowerCase()} ${name}\n`).join('')}${host.user ? `  user ${host.user}\n  group ${host.user}\n` : ''}${config.httpsPort ? '  ssl-default-bind-options ssl-min-ver TLSv1.2\n' : ''}${
  config.accessLog === 'off' ? '' : `  log ${config.accessLog} len 8192 format raw local0 info\n`
}`
}

function defaults(config: Config): string {
  const pages = `${config.directory}/pages`
  const html = 'content-type "text/html; charset=utf-8"'
  const fixed = [400, 408, 502, 504].map((status) => `  http-error status ${status} ${html} file ${pages}/${status}.html hdr Cache-Control no-store\n`).join('')
  const retryAfter = `%[var(txn.env),map_str(${mapFile(config, 'pages')},${NO_PAGE.retryAfterSeconds}),field(1,:)]`
  return `defaults common
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server ${DEFAULT_TIMEOUT_MS}
  timeout queue 30s
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout tunnel 24h
  # A tunnel of which one side has closed ends when the other is silent: HAProxy 2.6 cannot be told to cut it.
  timeout client-fin 10s
  timeout server-fin 10s
  option http-keep-alive
  option idle-close-on-response
  option http-no-delay
  option tcpka
  option redispatch 1
  # To apps names of headers go as most write them: HAProxy has them in small letters, which some programs do not look for.
  option h1-case-adjust-bogus-server
  retries 3
  retry-on conn-failure empty-response
  balance random(2)
${fixed}  http-error status 503 ${html} lf-file ${pages}/503.html hdr Retry-After "${retryAfter}" hdr Cache-Control no-store

# With this a visitor who leaves while waiting is noticed; for what is at an app it is not set, and changes nothing.
defaults visitors from common
  option abortonclose

defaults pool from common
  http-request set-timeout server var(txn.env),map_str_int(${mapFile(config, 'timeouts')})
  http-request return status 429 content-type "text/html; charset=utf-8" file ${pages}/429.html hdr Retry-After 5 hdr Cache-Control no-store if { be_conn gt ${config.appConnections} }
  # An app may close an idle connection just when it is used again (8 of 1,001 POSTs failed), so one is used again only at a rate
  # at which none stays idle. A WebSocket needs its own Connection header.
  http-request set-header Connection close if { be_sess_rate lt ${BUSY} } !{ req.hdr(upgrade) -m found }
  # A request that only reads is sent again when its connection closes before an answer. METH_GET is GET and HEAD. Keeping a copy
  # costs; none is kept where it cannot happen: the first request of a visitor's connection has a fresh one to the app, and a busy
  # app has no connection that was idle for long.
  http-request disable-l7-retry if { http_first_req } or { be_sess_rate gt ${BUSY} } or !METH_GET !METH_OPTIONS or { req.hdr_val(content-length) gt 0 } or { req.fhdr(transfer-encoding) -m found }
`
}

function frontend({ config, host }: ConfigInput): string {
  const hosts = mapFile(config, 'hosts')
  const missing = 'if !{ var(txn.env) -m found }'
  return `frontend edge from visitors
${binds(config, host)}${loopback(config)}${accessLog(config)}${admission(config)}${forwarded(config)}  # Longest prefix of host, path and "/": as it came, then normalised, then the wildcard one label up.
  http-request set-var(txn.env) base,concat(/),map_beg(${hosts})
  http-request set-var-fmt(txn.key) "%[var(txn.host)]%[path]/" ${missing}
  http-request set-var(txn.env) var(txn.key),map_beg(${hosts}) ${missing}
  http-request set-var-fmt(txn.key) "*.%[var(txn.host),field(2,.,0)]%[path]/" ${missing}
  http-request set-var(txn.env) var(txn.key),map_beg(${hosts}) ${missing}
  http-request return status 404 content-type "text/html; charset=utf-8" file ${config.directory}/pages/404.html hdr Cache-Control no-store ${missing}
  # Requests that wait, and a share of them that goes to the other arm: lockgate.lua says in txn.be where to.
  http-request lua.lockgate if { var(txn.env),map_str(${mapFile(config, 'special')}) -m found }
  # Found no instance that is up: waits for one.
  http-request lua.lockgate_again if { var(sess.again) -m found }
  http-after-response add-header Set-Cookie "${CANARY_COOKIE}=%[var(txn.canary)]; Path=/; HttpOnly; SameSite=Lax" if { var(txn.canary) -m found }
  # A name without a backend is an environment without instances: it falls through to nowhere, whose 503 shows its page.
  use_backend %[var(txn.be)] if { var(txn.be) -m found }
  use_backend %[var(txn.env),map_str(${mapFile(config, 'arms')})]
  default_backend nowhere
`
}

function binds(config: Config, host: HostFacts): string {
  const tls = config.certificates ? ` ssl crt ${config.certificates} alpn h2,http/1.1` : ''
  return listenAddresses(config, host)
    .map(({ variable, address, port }) => {
      const options = port === config.httpsPort ? tls : ''
      const own = isIPv6(address) ? `ipv6@${address}:${port}${config.bind === '*' ? ' v6only' : ''}` : `${address}:${port}`
      // Whoever keeps HAProxy alive may hold its sockets, and says so: then nobody is refused while it is started again.
      return `  .if defined(${variable})\n  bind "fd@\${${variable}}"${options}\n  .else\n  bind ${own}${options}\n  .endif\n`
    })
    .join('')
}

/** An address HAProxy takes requests on. */
export interface EdgeListen {
  /** The environment variable that names the socket, where somebody holds it. */
  readonly variable: string
  readonly address: string
  readonly port: number
}

/** Every address HAProxy takes requests on. */
export function listenAddresses(config: Config, host: HostFacts): readonly EdgeListen[] {
  const addresses = config.bind !== '*' ? [config.bind] : ['0.0.0.0', ...(host.ipv6 ? ['::'] : [])]
  const ports = [config.httpPort, ...(config.httpsPort === undefined ? [] : [config.httpsPort])]
  return ports.flatMap((port) =>
    addresses.map((address) => ({ variable: `LOCKGATE_FD_${isIPv6(address) ? 6 : 4}_${address.replaceAll(/[^0-9a-f]/gi, '_')}_${port}`, address, port })),
  )
}

function accessLog(config: Config): string {
  if (config.accessLog === 'off') return ''
  const fields = [
    '"at":%Ts%ms',
    '"id":"%ID"',
    '"client":"%ci"',
    '"method":"%[capture.req.method,json(utf8s)]"',
    '"host":"%[var(txn.seen),json(utf8s)]"',
    '"target":"%[capture.req.uri,json(utf8s)]"',
    '"status":%ST',
    '"bytes":%B',
    '"backend":"%b"',
    '"slot":"%s"',
    '"server":"%si:%sp"',
    '"waitMs":%Tw',
    '"connectMs":%Tc',
    '"answerMs":%Tr',
    '"totalMs":%Ta',
    '"end":"%ts"',
  ]
  return `  option dontlognull
  log global
  log-format '{${fields.join(',')}}'
  http-request set-var(txn.seen) req.hdr(host)
`
}

function nowhere(config: Config): string {
  // The rule makes HAProxy load generation.map; its value is read through the socket.
  return `backend nowhere from common
  http-request set-var(txn.generation) str(generation),map_str(${mapFile(config, 'generation')})
`
}

function backend(config: Config, { name, size, use }: { readonly name: string; readonly size: PoolClass; readonly use: PoolBackend | undefined }): string {
  const lines = Array.from({ length: size.slots }, (_, index) => {
    const slot = use?.slots[index]
    if (!slot) return `  server s${index + 1} ${PARKED.address}:${PARKED.port} disabled\n`
    const address = isIPv6(slot.address) ? `ipv6@${slot.address}` : slot.address
    return `  server s${index + 1} ${address}:${slot.port}${slot.ready ? '' : ' disabled'}\n`
  })
  // The check only takes a slot out: so many successes in a row never come. Putting in is the control plane's. HAProxy runs a
  // timer for every slot, used or not, and a thousand each second cost a hundredth of a core: it is seldom in quiet times, and
  // the first request that finds nobody calls for it.
  return `backend ${name} from pool
${againServer(config, size.protocol)}  default-server check inter 10s fastinter 1s fall 2 rise 1000000000 observe layer4 error-limit 1 on-error fastinter${size.protocol === 'h2c' ? ' proto h2' : ''}
${lines.join('')}`
}
