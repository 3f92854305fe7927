import { intersects, satisfies, validRange } from 'semver'
import { BuildFailure } from './build-failure.ts'
import type { Checkout } from './build-plan.ts'

/** Newest release of each Node that can be had; grows with each release of Lockgate. Even numbers are kept for long. */
const NODE: readonly string[] = ['26.10.0', '24.21.0', '22.23.3', '20.20.2', '18.20.8', '25.9.0', '23.11.1', '21.7.3', '19.8.1']
const NODE_NAMES: Readonly<Record<string, string>> = { hydrogen: '18', iron: '20', jod: '22', krypton: '24', '*': '*' }
/** Debian 13 and 12 have these. */
const PYTHON: readonly string[] = ['3.13', '3.11']
const PHP: readonly string[] = ['8.4', '8.2']
/** What Debian 13 has; builds anything older. */
const GO_OF_DEBIAN = '1.24'
/** Newest release of each Go after that. */
const GO: Readonly<Record<string, string>> = { '1.27': '1.27.4', '1.26': '1.26.11', '1.25': '1.25.14' }

/** What a file asks for: `.nvmrc` asks for `22`. */
export interface Ask {
  readonly file: string
  readonly wants: string
}

/** A version and the sentence that says why; null is what there is by default. */
export interface Version {
  readonly version: string | null
  readonly why: string
}

/** What is longer is no version, and could keep the expressions that read it busy for hours. */
const LONGEST_WISH = 200

/** The first of these files that asks for something. Throws BuildFailure `not_understood`. */
export function askOf(checkout: Checkout, asks: readonly (readonly [file: string, read: (text: string) => string | null | undefined])[]): Ask | null {
  for (const [file, read] of asks) {
    const text = checkout.texts[file]
    const wants = checkout.files.includes(file) && text ? (read(text) ?? '').trim() : ''
    if (wants.length > LONGEST_WISH) throw new BuildFailure('not_understood', `${file} asks for a version in ${wants.length} characters: a few are enough`)
    if (wants !== '') return { file, wants }
  }
  return null
}

/** The one line of files such as `.nvmrc`. */
export function firstLine(text: string): string | null {
  return text.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#')) ?? null
}

/** Which Node: an exact version is taken as it is, a range is met by the newest there is. Throws BuildFailure `not_understood`. */
export function nodeVersion(ask: Ask | null): Version {
  if (ask === null) return { version: null, why: '' }
  const wants = ask.wants.replace(/^v(?=\d)/, '').replace(/^lts\/(.+)$/i, (_, name: string) => NODE_NAMES[name.toLowerCase()] ?? name)
  const range = ['node', 'stable', 'latest', 'current', 'lts'].includes(wants) ? '*' : wants
  const [, major] = /^(\d+)\.\d+\.\d+$/.exec(range) ?? []
  const version = major === undefined ? NODE.find((one) => satisfies(one, range)) : Number(major) >= 18 && Number(major) <= 26 ? range : undefined
  return chosen({
    name: 'Node',
    ask,
    version,
    there: '18 to 26',
    how: 'Ask for one of these, or build in an image of your own (build.builder in lockgate.yaml)',
  })
}

/** Which Python: that of a Debian whose releases can be what is asked for. Throws BuildFailure `not_understood`. */
export function pythonVersion(ask: Ask | null): Version {
  if (ask === null) return { version: PYTHON[0] ?? null, why: '' }
  const wants = ask.wants.replace(/^python-/i, '')
  return chosen({ name: 'Python', ask, version: minorOf(PYTHON, pep440(wants)), there: '3.11 and 3.13', how: OWN_IMAGE })
}

/** Which PHP. Throws BuildFailure `not_understood`. */
export function phpVersion(ask: Ask | null): Version {
  if (ask === null) return { version: PHP[0] ?? null, why: '' }
  return chosen({ name: 'PHP', ask, version: minorOf(PHP, composerRange(ask.wants)), there: '8.2 and 8.4', how: OWN_IMAGE })
}

/** Which Go: go.mod says the least there may be, which Debian's own meets or a toolchain of that release. Throws BuildFailure `not_understood`. */
export function goVersion(ask: Ask | null): Version {
  const [, minor = '', patch] = /^(?:go)?1\.(\d+)(?:\.(\d+))?$/.exec(ask?.wants ?? '') ?? []
  if (ask === null || Number(minor) <= Number(GO_OF_DEBIAN.slice(2)) - 1) return { version: null, why: '' }
  // Debian's own has had fixes since, but what number it carries is not known here.
  if (minor === GO_OF_DEBIAN.slice(2) && (patch === undefined || Number(patch) <= 4)) return { version: null, why: '' }
  const version = minor === '' ? undefined : patch === undefined ? GO[`1.${minor}`] : `1.${minor}.${patch}`
  return chosen({ name: 'Go', ask, version, there: 'releases up to 1.27', how: 'Ask for a release in full, such as 1.27.4' })
}

const OWN_IMAGE = 'Ask for one of these, or name images that have it as build.builder and build.runner in lockgate.yaml'

interface Choosing {
  readonly name: string
  readonly ask: Ask
  readonly version: string | undefined
  readonly there: string
  readonly how: string
}

function chosen({ name, ask, version, there, how }: Choosing): Version {
  if (version === undefined) throw new BuildFailure('not_understood', `${ask.file} asks for ${name} ${ask.wants}, and there is ${name} ${there}. ${how}`)
  return { version, why: `${name} ${version}, for ${ask.file} asks for ${ask.wants}` }
}

/** The first of these that has a release in the range: which fix release it is, Debian decides. */
function minorOf(minors: readonly string[], range: string | null): string | undefined {
  if (range === null || validRange(range) === null) return undefined
  return minors.find((minor) => intersects(`${minor}.x`, range))
}

/** Python's way of saying ranges, in npm's; null: not understood. What `!=` leaves out does not choose a minor. */
function pep440(text: string): string | null {
  const parts = text.split(/\s*,\s*/).filter((part) => part !== '' && !part.startsWith('!='))
  const ranges = parts.map((part): string | null => {
    const [, sign = '', version = ''] = /^(~=|==|<=|>=|<|>|\^|~|=)?\s*(\d+(?:\.\d+)*(?:\.\*)?)$/.exec(part) ?? []
    if (version === '') return null
    const [major = '', , patch] = version.split('.')
    if (sign === '~=') return patch === undefined ? `>=${version} <${Number(major) + 1}` : `~${version}`
    return `${sign === '==' ? '' : sign}${version.replace('.*', '.x')}`
  })
  return ranges.length === 0 || ranges.includes(null) ? null : ranges.join(' ')
}

/** Composer's ranges are npm's but for two: `~8.2` goes up to 9, and a comma is an "and". */
function composerRange(text: string): string {
  return text
    .replace(/\s*,\s*/g, ' ')
    .replace(/(?<![|])\|(?![|])/g, '||')
    .replace(/~(\d+)\.(\d+)(?![.\d])/g, '^$1.$2')
    .replace(/(\d)\.\*/g, '$1.x')
}
