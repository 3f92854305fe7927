// Which requests are taken at all, and what an app is told of where they come from. Pure.
import type { Config } from './schema.ts'

/** `name[:port]`, or an IPv6 address in brackets: a Host that is anything else is answered 400. */
const HOST = '^([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?[.]?|[[][0-9a-f:.]+[]])(:[0-9]{1,5})?$'

/** More than this in cookies is answered with a page that says so, before it meets the bound of HAProxy's buffer. */
const COOKIE_BYTES = 64_512

/** The rules that refuse or clean what no app should see. `txn.host` is the name that was asked for: lower case, without port. */
export function admission(config: Config): string {
  const page = `content-type "text/html; charset=utf-8" file ${config.directory}/pages/400.html hdr Cache-Control no-store`
  return `  # Of a header with a comma \`req.hdr\` has one part only: \`req.fhdr\` has the whole.
  http-request return status 400 ${page} unless { req.fhdr(host),lower -m reg ${HOST} } !{ req.fhdr_cnt(host) gt 1 }
  http-request set-var(txn.host) req.fhdr(host),host_only,lower,rtrim(.)
  http-request return status 431 content-type "text/html; charset=utf-8" file ${config.directory}/pages/431.html hdr Cache-Control no-store if { req.fhdr(cookie) -m len gt ${COOKIE_BYTES} }
  # Many programs take X_Forwarded_For for X-Forwarded-For.
  http-request del-header _ -m sub
  # Behind CGI it becomes HTTP_PROXY, through which programs send their own requests (CVE-2016-5385).
  http-request del-header Proxy
`
}

/** Request id, and the X-Forwarded headers: what a visitor says is replaced, what a trusted proxy says is kept. */
export function forwarded(config: Config): string {
  // Random, so that it says nothing of how many requests there are; HAProxy's generator costs nanoseconds.
  const part = '%[rand,hex,bytes(8,8)]'
  const ids = `  unique-id-format ${part}${part}${part}
  http-request set-header X-Request-Id %[unique-id]
  http-after-response set-header X-Request-Id %[unique-id]
`
  const { trustedProxies } = config
  if (trustedProxies.length === 0)
    return `${ids}${cleared('')}  option forwardfor\n${told(config, 'add-header', '')}  http-request set-header X-Real-IP %[src]\n`
  // With the PROXY protocol \`src\` is the visitor already, who is trusted with nothing.
  const isTrusted = 'if { var(txn.trusted) -m found }'
  const unless = 'unless { var(txn.trusted) -m found }'
  return `${ids}  http-request set-var(txn.trusted) bool(true) if { src ${trustedProxies.join(' ')} }
${cleared(` ${unless}`)}  http-request set-header X-Real-IP %[req.hdr_ip(x-forwarded-for,-1)] ${isTrusted} { req.hdr(x-forwarded-for) -m found }
  http-request set-header X-Real-IP %[src] if !{ var(txn.trusted) -m found } or !{ req.hdr(x-forwarded-for) -m found }
  http-request add-header X-Forwarded-For %[src] unless { var(sess.own) -m found }
${['Proto', 'Host', 'Port'].map((name) => `  http-request set-var(txn.has_${name.toLowerCase()}) bool(true) if { req.hdr(x-forwarded-${name.toLowerCase()}) -m found }\n`).join('')}${told(config, 'set-header', 'has')}`
}

function cleared(condition: string): string {
  return `  http-request del-header X-Forwarded- -m beg${condition}
  http-request del-header Forwarded${condition}
`
}

/** Protocol, name and port. `only`: those that a trusted proxy has not said. The port also says the protocol: what was handed over lost its TLS. */
function told(config: Config, action: 'add-header' | 'set-header', only: '' | 'has'): string {
  const missing = (name: string): string => (only === '' ? '' : ` !{ var(txn.has_${name}) -m found }`)
  const rule = (header: string, value: string, conditions: string): string =>
    `  http-request ${action} X-Forwarded-${header} ${value}${conditions === '' ? '' : ` if${conditions}`}\n`
  const isSecure = ` { dst_port ${config.httpsPort} }`
  const proto =
    config.httpsPort === undefined
      ? rule('Proto', 'http', missing('proto'))
      : `${rule('Proto', 'https', `${isSecure}${missing('proto')}`)}${rule('Proto', 'http', ` !${isSecure.trim()}${missing('proto')}`)}`
  return `${proto}${rule('Host', '%[var(txn.host)]', missing('host'))}${rule('Port', '%[dst_port]', missing('port'))}`
}
