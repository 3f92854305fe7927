import { BuildFailure } from '../build-failure.ts'
import type { Checkout, PlannedStep } from '../build-plan.ts'

/** Fetched where the repository does not say which, by what their lock files look like. */
const PNPM: Readonly<Record<string, string>> = { '9': '10.34.8', '6': '8.15.9', '5': '7.33.7' }
const YARN_CLASSIC = '1.22.22'
/** By the format of their lock file: a newer one would write it anew, which a build refuses. */
const YARN_BERRY: Readonly<Record<string, string>> = { '6': '3.8.7', '8': '4.9.4' }
const NEWEST_YARN = '4.18.1'

/** Where a package manager is put for the time of the build; its programs come first in PATH. */
export const TOOLS = '.lockgate'
const TOOLS_PATH = `/app/${TOOLS}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

/** What a manager fetched, for the next build too; or for this build alone, where files of the app are among it. */
const SHARED_CACHE = '/cache'
const OWN_CACHE = `/app/${TOOLS}/cache`

/** By manager; of one manager the file that it takes where both are there comes first. */
const LOCKS = {
  npm: ['npm-shrinkwrap.json', 'package-lock.json'],
  pnpm: ['pnpm-lock.yaml'],
  yarn: ['yarn.lock'],
  bun: ['bun.lock', 'bun.lockb'],
} as const

/** Every lock file of a package manager of Node. */
export const NODE_LOCKS: readonly string[] = Object.values(LOCKS).flat()

/** How packages are installed, and what `run` makes of a script's name. */
export interface PackageManager {
  /** For people: `pnpm 10.34.8`. */
  readonly called: string
  readonly lock: string
  readonly install: readonly PlannedStep[]
  readonly script: (name: string) => PlannedStep
  /** With which its program is found. */
  readonly env: Readonly<Record<string, string>>
  /** Takes away packages that only the build needed. */
  readonly prune: readonly PlannedStep[]
  /** Takes away the package manager. */
  readonly clean: readonly PlannedStep[]
}

export interface Wanted {
  /** The `packageManager` field of package.json. */
  readonly packageManager: string | undefined
  /** What npm makes of this lock follows from it, package.json and .npmrc. */
  readonly isClosed: (lock: string) => boolean
  /** The install copies a folder or an archive of the app, which a cache of the manager knows by its name or by its old hash. */
  readonly copiesLocalFiles: (lock: string) => boolean
}

/**
 * The package manager of a checkout: the field packageManager, else its lock file. Throws BuildFailure `not_understood` when
 * there is no lock file of it.
 */
export function packageManagerOf(checkout: Checkout, wanted: Wanted): PackageManager {
  const { files } = checkout
  const said = wanted.packageManager
  const [, field, version] = /^(npm|pnpm|yarn|bun)(?:@(\d+(?:\.\d+){0,2}(?:-[\w.-]+)?)(?:\+[\w.=/+-]*)?)?$/.exec(said ?? '') ?? []
  if (said !== undefined && field === undefined)
    throw new BuildFailure(
      'not_understood',
      `packageManager of package.json is "${said.slice(0, 60)}": write npm, pnpm or yarn with a version, such as pnpm@10.34.8`,
    )
  const names = Object.keys(LOCKS) as (keyof typeof LOCKS)[]
  const name = names.find((one) => one === field) ?? names.find((one) => LOCKS[one].some((lock) => files.includes(lock))) ?? 'npm'
  const lock = LOCKS[name].find((one) => files.includes(one))
  if (name === 'bun')
    throw new BuildFailure(
      'not_understood',
      'bun is not understood here: name an image that has it as build.builder in lockgate.yaml, with build.install and build.steps',
    )
  if (lock === undefined) throw new BuildFailure('not_understood', withoutLock(name, wanted.packageManager))
  const cache = wanted.copiesLocalFiles(lock) ? OWN_CACHE : SHARED_CACHE
  if (name === 'npm') {
    const inputs = ['package.json', lock, '.npmrc'].filter((one) => files.includes(one))
    return npm(lock, { cache, keeps: wanted.isClosed(lock) ? { keeps: { inputs, outputs: ['node_modules'] } } : {} })
  }
  return name === 'pnpm' ? pnpm(checkout, { lock, version, cache }) : yarn(checkout, { lock, version, cache })
}

function withoutLock(name: 'npm' | 'pnpm' | 'yarn', field: string | undefined): string {
  const said = field === undefined ? '' : ` (the package.json asks for ${field})`
  const lock = { npm: 'package-lock.json', pnpm: 'pnpm-lock.yaml', yarn: 'yarn.lock' }[name]
  return `This looks like a Node app, but there is no ${lock}${said}, so that two builds could differ: run "${name} install" and commit the ${lock} it writes`
}

type Keeps = Pick<PlannedStep, 'keeps'>
interface Locked {
  readonly lock: string
  readonly version: string | undefined
  readonly cache: string
}

function npm(lock: string, { cache, keeps }: { readonly cache: string; readonly keeps: Keeps }): PackageManager {
  const isOwn = cache === OWN_CACHE
  const env = isOwn ? { npm_config_cache: `${cache}/npm` } : {}
  return {
    called: 'npm',
    lock,
    env,
    install: [{ name: 'npm ci', run: ['npm', 'ci'], phase: 'install', ...(isOwn ? { env } : {}), ...keeps }],
    script: (name) => ({ name: `npm run ${name}`, run: ['npm', 'run', name], phase: 'build' }),
    prune: [{ name: 'npm prune --omit=dev', run: ['npm', 'prune', '--omit=dev'], phase: 'build' }],
    clean: isOwn ? [CLEAN] : [],
  }
}

function pnpm({ texts }: Checkout, { lock, version, cache }: Locked): PackageManager {
  const [, format = '9'] = /^lockfileVersion:\s*['"]?(\d+)/m.exec(texts[lock] ?? '') ?? []
  const chosen = version ?? PNPM[format]
  if (chosen === undefined)
    throw new BuildFailure(
      'not_understood',
      `The ${lock} has format ${format}, which no known pnpm writes: say which in the field packageManager of package.json`,
    )
  const env = { PATH: TOOLS_PATH, npm_config_store_dir: `${cache}/pnpm` }
  const step = (run: readonly string[], phase: PlannedStep['phase']): PlannedStep => ({ name: run.join(' '), run, phase, env })
  return {
    called: `pnpm ${chosen}`,
    lock,
    env,
    install: [fetched('pnpm', chosen), step(['pnpm', 'install', '--frozen-lockfile'], 'install')],
    script: (name) => step(['pnpm', 'run', name], 'build'),
    prune: [step(['pnpm', 'prune', '--prod', '--ignore-scripts'], 'build')],
    clean: [CLEAN],
  }
}

function yarn({ texts }: Checkout, { lock, version, cache }: Locked): PackageManager {
  const isClassic = version === undefined ? !(texts[lock] ?? '').includes('__metadata:') : /^1(\.|$)/.test(version)
  const [, format = ''] = /^__metadata:\s*version: (\d+)/m.exec(texts[lock] ?? '') ?? []
  const chosen = version ?? (isClassic ? YARN_CLASSIC : (YARN_BERRY[format] ?? NEWEST_YARN))
  // An app is started by node: with Plug'n'Play it would find no package.
  const settings = isClassic
    ? { YARN_CACHE_FOLDER: `${cache}/yarn` }
    : { YARN_NODE_LINKER: 'node-modules', YARN_GLOBAL_FOLDER: `${cache}/yarn-berry`, YARN_ENABLE_TELEMETRY: '0' }
  const env = { PATH: TOOLS_PATH, ...settings }
  const step = (run: readonly string[], phase: PlannedStep['phase']): PlannedStep => ({ name: run.join(' '), run, phase, env })
  return {
    called: `yarn ${chosen}`,
    lock,
    env,
    install: [
      fetched(isClassic ? 'yarn' : '@yarnpkg/cli-dist', chosen),
      step(isClassic ? ['yarn', 'install', '--frozen-lockfile', '--non-interactive'] : ['yarn', 'install', '--immutable'], 'install'),
    ],
    script: (name) => step(['yarn', 'run', name], 'build'),
    prune: [
      isClassic
        ? step(['yarn', 'install', '--production', '--ignore-scripts', '--prefer-offline', '--frozen-lockfile', '--non-interactive'], 'build')
        : step(['yarn', 'workspaces', 'focus', '--all', '--production'], 'build'),
    ],
    clean: [CLEAN],
  }
}

/** A package manager of the npm registry; the same version comes from the cache the next time, of `9` the newest is asked for. */
function fetched(name: string, version: string): PlannedStep {
  const run = ['npm', 'install', '--global', `--prefix=/app/${TOOLS}`, `${name}@${version}`]
  const keeps = /^\d+\.\d+\.\d+/.test(version) ? { keeps: { inputs: [], outputs: [TOOLS] } } : {}
  return { name: `npm install --global ${name}@${version}`, run, phase: 'install', ...keeps }
}

const CLEAN: PlannedStep = { name: `rm -rf ${TOOLS}`, run: ['rm', '-rf', TOOLS], phase: 'build' }
