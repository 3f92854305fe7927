import { InvalidError } from '../../lib/errors.ts'

/** Where code is fetched from: a URL that was read strictly. No user, no password, no query: credentials are kept sealed beside it. */
export interface RemoteUrl {
  readonly protocol: 'https' | 'http' | 'ssh'
  readonly host: string
  readonly port: number
  /** Below the host, as the host wants it: `team/shop.git`. */
  readonly path: string
  /** For ssh: who signs in; `git` unless the URL says otherwise. */
  readonly user: string
  /** The URL as git gets it. */
  readonly text: string
}

const PORTS = { https: 443, http: 80, ssh: 22 } as const
const HOST = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$|^\[[0-9a-f:.]{2,45}\]$/
const PATH = /^(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9_~.][A-Za-z0-9_~.+/@%-]{0,500}$/
const SCP_FORM = /^(?:([A-Za-z0-9_][A-Za-z0-9._-]{0,60})@)?([A-Za-z0-9.-]{1,253}):(?!\/\/)(?:\/)?(.{1,500})$/

/**
 * Reads a git URL: `https://host/path`, `ssh://user@host/path` or `user@host:path`. Anything else is refused, above all
 * forms that make git start programs or read files (`ext::`, `file:`, a leading "-"). `http://` only where allowed.
 * Throws InvalidError `source.url_refused`.
 */
export function readRemoteUrl(text: string, allowHttp = false): RemoteUrl {
  if (text.length > 1000 || /[\s\\]|\p{Cc}/u.test(text)) throw refuse(text, 'it is too long or holds spaces or control characters')
  const [, scpUser, scpHost, scpPath] = text.includes('://') ? [] : (SCP_FORM.exec(text) ?? [])
  if (scpHost !== undefined && scpPath !== undefined) return remote({ protocol: 'ssh', host: scpHost, port: 22, path: scpPath, user: scpUser ?? 'git' }, text)
  if (!URL.canParse(text)) throw refuse(text, 'only https://host/path and ssh://user@host/path (or user@host:path) are understood')
  const url = new URL(text)
  const protocol = url.protocol.slice(0, -1)
  if (protocol !== 'https' && protocol !== 'ssh' && protocol !== 'http') throw refuse(text, `${protocol} is not https or ssh`)
  if (protocol === 'http' && !allowHttp)
    throw refuse(text, 'http is not encrypted; sources.allowHttp in the settings allows it for code hosts of your own network')
  if (url.password !== '' || (protocol !== 'ssh' && url.username !== ''))
    throw refuse(text, 'it holds a user name or a password: give those with --token or --key, so that they are sealed')
  if (url.search !== '' || url.hash !== '') throw refuse(text, 'it has a query or a fragment')
  return remote(
    {
      protocol,
      host: url.hostname,
      port: url.port === '' ? PORTS[protocol] : Number(url.port),
      path: url.pathname.replace(/^\/+/, ''),
      user: url.username === '' ? 'git' : url.username,
    },
    text,
  )
}

function remote(parts: Omit<RemoteUrl, 'text'>, given: string): RemoteUrl {
  const host = parts.host.toLowerCase()
  if (!HOST.test(host)) throw refuse(given, 'that is no hostname')
  if (!PATH.test(parts.path)) throw refuse(given, 'that is no path of a repository')
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,60}$/.test(parts.user)) throw refuse(given, 'that is no user name')
  if (parts.port < 1 || parts.port > 65_535) throw refuse(given, 'that is no port')
  const port = parts.port === PORTS[parts.protocol] ? '' : `:${parts.port}`
  const user = parts.protocol === 'ssh' ? `${parts.user}@` : ''
  return { ...parts, host, text: `${parts.protocol}://${user}${host}${port}/${parts.path}` }
}

/** Whether two URLs name the same repository of the same host; git hosts take a path with and without `.git`. */
export function isSameRepository(one: RemoteUrl, other: RemoteUrl): boolean {
  const path = (url: RemoteUrl): string => url.path.replace(/\/+$/, '').replace(/\.git$/, '')
  return one.protocol === other.protocol && one.host === other.host && one.port === other.port && path(one) === path(other)
}

/** Where a relative URL of a submodule leads (gitsubmodules(7)): from the repository's own URL. Throws InvalidError `source.url_refused`. */
export function resolveRemoteUrl(base: RemoteUrl, relative: string, allowHttp = false): RemoteUrl {
  const parts = base.path.split('/')
  for (const part of relative.split('/')) {
    if (part === '..') {
      if (parts.length === 0) throw refuse(relative, 'it leads above the host')
      parts.pop()
    } else if (part !== '.' && part !== '') parts.push(part)
  }
  return readRemoteUrl(base.text.slice(0, base.text.length - base.path.length) + parts.join('/'), allowHttp)
}

function refuse(text: string, why: string): InvalidError {
  // Up to the last @, wherever it stands: a password that was not encoded may hold a slash or another @.
  const shown = JSON.stringify(text.replace(/\/\/.*@/s, '//***@').slice(0, 120))
  return new InvalidError('source.url_refused', `The git URL ${shown} is refused: ${why}.`)
}
