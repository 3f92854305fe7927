import { homedir } from 'node:os'
import { join } from 'node:path'
import { readIfThere } from '../../../lib/files.ts'

/** Environment variables of the host that tell package managers where to get packages. */
const INDEXES = ['npm_config_registry', 'NPM_CONFIG_REGISTRY', 'PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'GOPROXY', 'GONOSUMDB', 'GOSUMDB']
const PROXIES = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']

/** Where a bundle of certificates is put in a build's box. */
export const CA_PATH = '/etc/lockgate/ca.crt'

/** No one of these is enough alone: Node adds to its own list, git and pip ask only theirs, most others the first. */
export const CA_ENV: Readonly<Record<string, string>> = {
  SSL_CERT_FILE: CA_PATH,
  NODE_EXTRA_CA_CERTS: CA_PATH,
  NPM_CONFIG_CAFILE: CA_PATH,
  GIT_SSL_CAINFO: CA_PATH,
  PIP_CERT: CA_PATH,
  REQUESTS_CA_BUNDLE: CA_PATH,
  CURL_CA_BUNDLE: CA_PATH,
  CARGO_HTTP_CAINFO: CA_PATH,
}

/** Where package managers keep what they fetched, so that the next build of the app need not. */
export const CACHE_ENV: Readonly<Record<string, string>> = {
  npm_config_cache: '/cache/npm',
  PIP_CACHE_DIR: '/cache/pip',
  GOPATH: '/cache/go',
  GOCACHE: '/cache/go-build',
  // A cache that may not be written to cannot be thrown away.
  GOFLAGS: '-modcacherw',
  COMPOSER_CACHE_DIR: '/cache/composer',
  COMPOSER_HOME: '/tmp/composer',
}

export interface HostSettings {
  /** Given to every build. */
  readonly env: Readonly<Record<string, string>>
  /** Settings a build does not get, with the reason. */
  readonly notes: readonly string[]
}

/** The package settings of this host: its environment and its npmrc files, as builds get them. */
export async function hostSettings(environment: NodeJS.ProcessEnv): Promise<HostSettings> {
  const paths = ['/usr/etc/npmrc', '/usr/local/etc/npmrc', '/etc/npmrc', join(homedir(), '.npmrc')]
  const texts = await Promise.all(paths.map((path) => readIfThere(path).catch(() => null)))
  return chooseSettings(
    environment,
    texts.flatMap((text) => (text === null ? [] : [text])),
  )
}

/** Pure part: what is passed on. A later npmrc wins over an earlier one, the environment over both. */
export function chooseSettings(environment: NodeJS.ProcessEnv, npmrcs: readonly string[]): HostSettings {
  const env: Record<string, string> = {}
  const notes: string[] = []
  const take = (name: string, value: string, source: string): void => {
    const reason = reasonAgainst(value)
    if (reason === null) env[name] = value
    else notes.push(`${source} is not used in builds: it ${reason}`)
  }
  for (const text of npmrcs) for (const [key, value] of registriesOf(text)) take(`npm_config_${key}`, value, `the npm setting ${key}`)
  for (const name of INDEXES) {
    const value = environment[name]
    if (value) take(name.toLowerCase() === 'npm_config_registry' ? 'npm_config_registry' : name, value, name)
  }
  for (const name of PROXIES) {
    const value = environment[name]
    if (value && name.toLowerCase() === 'no_proxy') env[name] = value
    else if (value) take(name, value, name)
  }
  return { env, notes }
}

/** `registry` and `@scope:registry` only: an npmrc also holds tokens, which no build is given. */
function registriesOf(npmrc: string): [string, string][] {
  return npmrc.split('\n').flatMap((line): [string, string][] => {
    const [, key, value] = /^\s*((?:@[a-z0-9._-]+:)?registry)\s*=\s*"?([^"\s]+)"?\s*$/i.exec(line) ?? []
    return key !== undefined && value !== undefined ? [[key, value]] : []
  })
}

function reasonAgainst(value: string): string | null {
  for (const part of value.split(/[,|\s]+/)) {
    if (!URL.canParse(part)) continue
    const url = new URL(part)
    if (url.username !== '' || url.password !== '') return 'holds a user name or a password'
    if (['localhost', '[::1]'].includes(url.hostname) || url.hostname.startsWith('127.')) return 'names this host by an address that a box does not reach'
  }
  return null
}
