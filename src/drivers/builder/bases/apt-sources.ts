/** One line of sources.list(5): what mmdebstrap takes. */
export type SourceLine = string

interface Entry {
  readonly types: readonly string[]
  readonly uris: readonly string[]
  readonly suites: readonly string[]
  readonly components: readonly string[]
  readonly signedBy: string | null
}

/**
 * The distribution's own sources among the host's apt sources, whatever mirror they name: suites of the host's codename
 * with a component `main`. Other people's repositories stay out. `files` are texts of `*.list` and `*.sources` by path.
 */
export function distributionSources(files: Readonly<Record<string, string>>, codename: string): SourceLine[] {
  const wanted = [codename, `${codename}-updates`, `${codename}-security`]
  const lines = new Set<SourceLine>()
  for (const [path, text] of Object.entries(files)) {
    for (const entry of path.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)) {
      if (!entry.types.includes('deb') || !entry.components.includes('main')) continue
      const components = entry.components.filter((component) => component === 'main' || component === 'universe')
      const option = entry.signedBy === null ? '' : `[signed-by=${entry.signedBy}] `
      for (const uri of entry.uris)
        for (const suite of entry.suites) if (wanted.includes(suite)) lines.add(`deb ${option}${uri} ${suite} ${components.join(' ')}`)
    }
  }
  return [...lines]
}

const DEBIAN_SUITES = ['bullseye', 'bookworm', 'trixie', 'forky']
/** Debian's archive as every Debian host knows it, for hosts of another distribution that have its keys. */
const DEBIAN_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'
const DEBIAN_FROM_ELSEWHERE: readonly SourceLine[] = [
  `deb [signed-by=${DEBIAN_KEYS}] http://deb.debian.org/debian bookworm main`,
  `deb [signed-by=${DEBIAN_KEYS}] http://deb.debian.org/debian-security bookworm-security main`,
]

/**
 * Sources of a Debian suite that may be another than the host's: the same mirrors with the other name.
 */
export function suiteSources(lines: readonly SourceLine[], host: string, suite: string): SourceLine[] {
  if (host === suite) return [...lines]
  const debian = DEBIAN_SUITES.includes(host) ? lines : DEBIAN_FROM_ELSEWHERE
  const from = DEBIAN_SUITES.includes(host) ? host : 'bookworm'
  return debian.map((line) => line.replace(new RegExp(` ${from}(-updates|-security)? `), (_, pocket: string | undefined) => ` ${suite}${pocket ?? ''} `))
}

/** The same sources from a mirror: `http://mirror/debian`, security fixes from `http://mirror/debian-security`. */
export function mirrored(lines: readonly SourceLine[], mirror: string): SourceLine[] {
  const root = mirror.replace(/\/$/, '')
  return lines.map((line) => line.replace(/https?:\/\/\S+ (\S+)/, (_, suite: string) => `${root}${suite.endsWith('-security') ? '-security' : ''} ${suite}`))
}

function parseOneLine(text: string): Entry[] {
  const entries: Entry[] = []
  for (const line of text.split('\n')) {
    const [, type, options = '', uri, rest] = /^\s*(deb)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+([^#]+)/.exec(line) ?? []
    const [suite, ...components] = (rest ?? '').trim().split(/\s+/)
    if (!type || !uri || !suite) continue
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1] ?? null
    entries.push({ types: [type], uris: [uri], suites: [suite], components, signedBy })
  }
  return entries
}

function parseDeb822(text: string): Entry[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = fieldsOf(paragraph)
    const words = (name: string): string[] => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '')
    if (fields.get('enabled') === 'no' || words('uris').length === 0) return []
    const signedBy = words('signed-by')
    // A key written into the file cannot stand on one line; apt's trusted keys are asked then.
    const keyring = signedBy.length === 1 && signedBy[0]?.startsWith('/') ? signedBy[0] : null
    return [{ types: words('types'), uris: words('uris'), suites: words('suites'), components: words('components'), signedBy: keyring }]
  })
}

function fieldsOf(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let name = ''
  for (const line of paragraph.split('\n')) {
    if (line.startsWith('#')) continue
    const [, key, value = ''] = /^([A-Za-z][A-Za-z0-9-]*):(.*)$/.exec(line) ?? []
    if (key) {
      name = key.toLowerCase()
      fields.set(name, value.trim())
    } else if (name && /^\s/.test(line)) fields.set(name, `${fields.get(name)} ${line.trim()}`)
  }
  return fields
}

/** Options of the host's apt that its downloads need: proxies, certificates, clocks; from `apt-config dump`. */
export function downloadOptions(dump: string): string[] {
  return dump.split('\n').filter((line) => /^Acquire::((https?|ftp)::|Check-|Retries|Max-)\S* ".+";$/i.test(line))
}
