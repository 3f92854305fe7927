import { z } from 'zod'
import type { BuildPlan, Checkout, Language, NotThis, PlannedStep, StepsPlan } from '../build-plan.ts'

const LOCKS = ['package-lock.json', 'npm-shrinkwrap.json']
const OTHER_LOCKS: Readonly<Record<string, string>> = { 'yarn.lock': 'yarn', 'pnpm-lock.yaml': 'pnpm', 'bun.lock': 'bun', 'bun.lockb': 'bun' }
/** Scripts that npm runs by itself while it installs: they may look at any file. */
const LIFECYCLE = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare']

/** npm: what the lock file says, the build script, then without what only the build needed. */
export const node: Language = {
  kind: 'node',
  called: 'a Node app',
  reads: () => ['package.json'],
  plan,
}

const Named = z.record(z.string(), z.string()).default({})
const Package = z.object({
  scripts: Named,
  main: z.string().optional(),
  workspaces: z.unknown().optional(),
  dependencies: Named,
  devDependencies: Named,
  optionalDependencies: Named,
})
type Package = z.infer<typeof Package>

/** What comes out of a build: a program that is started, or a folder that is served. */
type Result = { readonly kind: 'command'; readonly command: readonly string[] } | { readonly kind: 'folder'; readonly folder: string }

function plan({ files, texts, manifest }: Checkout): BuildPlan | NotThis {
  if (!files.includes('package.json')) return { not: 'there is no package.json', isNear: false }
  const described = parsePackage(texts['package.json'] ?? '')
  if (!described) return { not: 'the package.json cannot be read as JSON', isNear: true }
  const result = resultOf(described, files, manifest.build?.publish)
  if (!result)
    return {
      not: 'the package.json has no script start, and there is no server.js, index.js or main: add a start script, or name the folder to serve as build.publish in lockgate.yaml',
      isNear: true,
    }
  const lock = LOCKS.find((name) => files.includes(name))
  if (!lock) return { not: withoutLock(files), isNear: true }
  const isServed = result.kind === 'folder'
  return {
    kind: 'node',
    why: [`found package.json and ${lock}`, isServed ? `serves ${result.folder}` : `runs ${result.command.join(' ')}`],
    builder: { base: 'node-build', version: null },
    steps: stepsOf(described, files, isServed),
    ...(isServed ? served(result.folder) : run(result.command)),
    releaseCommand: null,
  }
}

function stepsOf(described: Package, files: readonly string[], isServed: boolean): PlannedStep[] {
  const inputs = ['package.json', ...LOCKS, '.npmrc'].filter((name) => files.includes(name))
  return [
    { name: 'npm ci', run: ['npm', 'ci'], phase: 'install', ...(isInstallPlain(described) ? { keeps: { inputs, outputs: ['node_modules'] } } : {}) },
    ...(described.scripts['build'] === undefined ? [] : [{ name: 'npm run build', run: ['npm', 'run', 'build'], phase: 'build' } as const]),
    ...(isServed ? [] : [{ name: 'npm prune --omit=dev', run: ['npm', 'prune', '--omit=dev'], phase: 'build' } as const]),
  ]
}

/** What an install makes depends on package.json and the lock alone: no script and no folder of the app takes part. */
function isInstallPlain({ scripts, workspaces, dependencies, devDependencies, optionalDependencies }: Package): boolean {
  const wanted = Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies })
  return LIFECYCLE.every((script) => scripts[script] === undefined) && workspaces === undefined && !wanted.some((one) => /^(file|link):/.test(one))
}

type Outcome = Pick<StepsPlan, 'taken' | 'runner' | 'command' | 'env'>

function served(folder: string): Outcome {
  return { taken: { kind: 'folder', path: folder }, runner: { base: 'static', version: null }, command: null, env: {} }
}

function run(command: readonly string[]): Outcome {
  return { taken: { kind: 'folder', path: '' }, runner: { base: 'node', version: null }, command, env: { NODE_ENV: 'production' } }
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

function resultOf(described: Package, files: readonly string[], publish: string | undefined): Result | null {
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
