import { z } from 'zod'
import type { Manifest } from '../app/manifest.ts'
import { BuildFailure } from './build-failure.ts'

/** What is known of a checkout: its files, and the text of those that `filesToRead` names. */
export interface Checkout {
  /** Relative paths. */
  readonly files: readonly string[]
  readonly texts: Readonly<Record<string, string | null>>
  readonly build: Manifest['build']
}

/** How a checkout is built. `why` is a sentence for people. */
export type Detected =
  | { readonly kind: 'makefile'; readonly why: string; readonly hasTest: boolean }
  | { readonly kind: 'node'; readonly why: string; readonly hasBuild: boolean; readonly result: NodeResult }
  | { readonly kind: 'static'; readonly why: string; readonly folder: string }

/** What comes out of an npm build: a program that is started, or a folder that is served. */
export type NodeResult = { readonly kind: 'command'; readonly command: readonly string[] } | { readonly kind: 'folder'; readonly folder: string }

const MAKEFILES = ['GNUmakefile', 'makefile', 'Makefile']
const LOCKS = ['package-lock.json', 'npm-shrinkwrap.json']
const OTHER_LOCKS: Readonly<Record<string, string>> = { 'yarn.lock': 'yarn', 'pnpm-lock.yaml': 'pnpm', 'bun.lock': 'bun', 'bun.lockb': 'bun' }

/** Files whose text `detect` wants. */
export function filesToRead(files: readonly string[]): string[] {
  return [...MAKEFILES, 'package.json'].filter((name) => files.includes(name))
}

/**
 * Decides how a checkout is built: what `lockgate.yaml` says, else the Makefile contract, else npm, else static files.
 * Throws BuildFailure `not_understood` that names what was looked for.
 */
export function detect(checkout: Checkout): Detected {
  const kind = checkout.build?.kind ?? 'auto'
  const found = { makefile: detectMakefile, node: detectNode, static: detectStatic }
  if (kind !== 'auto') {
    const detected = found[kind](checkout)
    if (typeof detected !== 'string') return { ...detected, why: `lockgate.yaml says ${kind}; ${detected.why}` }
    throw new BuildFailure('not_understood', `lockgate.yaml says build kind ${kind}, but ${detected}`)
  }
  const reasons: string[] = []
  for (const detector of [found.makefile, found.node, found.static]) {
    const detected = detector(checkout)
    if (typeof detected !== 'string') return detected
    reasons.push(detected)
  }
  // A package.json that cannot be built is what the person meant: the other reasons would hide it.
  if (checkout.files.includes('package.json')) throw new BuildFailure('not_understood', `This looks like a Node app, but ${reasons[1]}`)
  const docker = checkout.files.includes('Dockerfile')
    ? ' A Dockerfile is there, but is not built here: build the image elsewhere and deploy it with --image.'
    : ''
  throw new BuildFailure('not_understood', `Nothing here says how it is built: ${reasons.join('; ')}.${docker}`)
}

/** A string says why it is not this kind. */
function detectMakefile({ files, texts }: Checkout): Detected | string {
  const name = MAKEFILES.find((file) => files.includes(file))
  const text = name === undefined ? null : (texts[name] ?? null)
  if (!name || text === null) return 'there is no Makefile'
  const targets = targetsOf(text)
  const missing = ['build', 'run'].filter((target) => !targets.has(target))
  if (missing.length > 0) return `the ${name} has no target ${missing.join(' and no target ')}`
  if (!text.includes('code.tar.gz')) return `the ${name} does not name code.tar.gz, which make build has to leave`
  return { kind: 'makefile', why: `the ${name} has the targets build and run and names code.tar.gz`, hasTest: targets.has('test') }
}

function targetsOf(makefile: string): ReadonlySet<string> {
  const targets = new Set<string>()
  for (const line of makefile.split('\n')) {
    const [, names] = /^([A-Za-z0-9_./%-][A-Za-z0-9_./% -]*?)\s*:(?!:?:?=)/.exec(line) ?? []
    for (const name of names?.split(/\s+/) ?? []) targets.add(name)
  }
  return targets
}

const Package = z.object({ scripts: z.record(z.string(), z.string()).default({}), main: z.string().optional() })
type Package = z.infer<typeof Package>

function detectNode({ files, texts, build }: Checkout): Detected | string {
  if (!files.includes('package.json')) return 'there is no package.json'
  const described = parsePackage(texts['package.json'] ?? '')
  if (!described) return 'the package.json cannot be read as JSON'
  const hasBuild = described.scripts['build'] !== undefined
  const result = nodeResult(described, files, build?.publish)
  if (!result)
    return 'the package.json has no script start, and there is no server.js, index.js or main: add a start script, or name the folder to serve as build.publish in lockgate.yaml'
  const lock = LOCKS.find((name) => files.includes(name))
  if (!lock) return withoutLock(files)
  const what = result.kind === 'folder' ? `serves ${result.folder}` : `runs ${result.command.join(' ')}`
  return { kind: 'node', why: `found package.json and ${lock}; ${what}`, hasBuild, result }
}

function withoutLock(files: readonly string[]): string {
  const other = Object.entries(OTHER_LOCKS).find(([name]) => files.includes(name))
  const also = other ? ` (${other[0]} is there, but only npm is understood)` : ''
  return `there is no package-lock.json, so that two builds could differ: run "npm install" and commit the package-lock.json it writes${also}`
}

function parsePackage(text: string): Package | null {
  try {
    const parsed = Package.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

function nodeResult(described: Package, files: readonly string[], publish: string | undefined): NodeResult | null {
  if (publish !== undefined) return { kind: 'folder', folder: publish }
  const { scripts, main } = described
  if (scripts['start'] !== undefined) return { kind: 'command', command: startCommand(scripts) }
  const candidates = ['server.js', 'index.js', 'server.mjs', 'index.mjs', ...(main === undefined ? [] : [main.replace(/^\.\//, '')])]
  const program = candidates.find((name) => files.includes(name))
  return program === undefined ? null : { kind: 'command', command: ['node', program] }
}

/**
 * A start script that is only `node` and plain words is run as it is: signals then reach the app itself, and not a shell
 * of npm's in between.
 */
function startCommand(scripts: Readonly<Record<string, string>>): readonly string[] {
  const start = (scripts['start'] ?? '').trim()
  const isPlain = /^node(\s+[A-Za-z0-9_./@:=,+-]+)+$/.test(start) && scripts['prestart'] === undefined && scripts['poststart'] === undefined
  return isPlain ? start.split(/\s+/) : ['npm', 'start']
}

function detectStatic({ files, build }: Checkout): Detected | string {
  const folder = build?.publish ?? ''
  const index = folder === '' ? 'index.html' : `${folder}/index.html`
  if (!files.includes(index)) return `there is no ${index}`
  return { kind: 'static', why: `found ${index}; serves ${folder === '' ? 'the files of the repository' : `the folder ${folder}`}`, folder }
}
