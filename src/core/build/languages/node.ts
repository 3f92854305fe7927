import { z } from 'zod'
import { assemble, nearly, notThis, type Parts, saidCommand } from '../assemble.ts'
import type { BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'
import { type Ask, askOf, firstLine, nodeVersion, type Version } from '../versions.ts'
import { copiesLocalFiles, isNpmInstallClosed } from './closed-install.ts'
import { compiledPackage } from './node-native.ts'
import { type PackageManager, packageManagerOf } from './node-packages.ts'

// npm takes the shrinkwrap where both are there.
const LOCKS = ['npm-shrinkwrap.json', 'package-lock.json', 'pnpm-lock.yaml', 'yarn.lock']
const READS = ['package.json', '.node-version', '.nvmrc', '.npmrc', 'Procfile', ...LOCKS]
/** Scripts that npm runs by itself while it installs: they may look at any file. */
const LIFECYCLE = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare']
/** What a generator leaves, by the package that it is. */
const GENERATED: Readonly<Record<string, string>> = {
  '@11ty/eleventy': '_site',
  astro: 'dist',
  '@docusaurus/core': 'build',
  gatsby: 'public',
  'hugo-bin': 'public',
  'hugo-extended': 'public',
  'react-scripts': 'build',
  parcel: 'dist',
  vite: 'dist',
}
/** A start script of these is for the one who writes the app: it is no server for others. */
const FOR_WRITING =
  /^(react-scripts start|vite( (dev|serve|preview))?|astro (dev|start|preview)|gatsby (develop|serve)|eleventy .*--serve|npx (@11ty\/)?eleventy .*--serve|parcel( serve)?|docusaurus (start|serve))\b/
const OTHER_LANGUAGE = /^(python3?|gunicorn|uvicorn|hypercorn|daphne|waitress-serve|flask|php|apache2)$/

/** A Node app that is started: what the lock file says, the build script, then without what only the build needed. */
export const node: Language = { kind: 'node', called: 'a Node app', reads: () => READS, plan: planProgram }

/** A site that a build script makes, and a folder that is served. */
export const generatedSite: Language = { kind: 'node', called: 'a generated site', reads: () => READS, plan: planSite }

const Named = z.record(z.string(), z.string()).default({})
const Package = z.object({
  scripts: Named,
  main: z.string().optional(),
  packageManager: z.string().optional(),
  engines: z.object({ node: z.string().optional() }).optional(),
  workspaces: z.unknown().optional(),
  dependencies: Named,
  devDependencies: Named,
  optionalDependencies: Named,
})
type Package = z.infer<typeof Package>

function planProgram(checkout: Checkout): BuildPlan | NotThis {
  const described = packageOf(checkout)
  if ('not' in described) return described
  const said = saidCommand(checkout)
  if (said?.file === 'Procfile' && OTHER_LANGUAGE.test(programOf(said.command))) return notThis(`the Procfile starts ${programOf(said.command)}`)
  if (checkout.manifest.build?.publish !== undefined) return notThis('lockgate.yaml names a folder to serve')
  const command = said?.command ?? programIn(described, checkout.files)
  if (command === null)
    return nearly(
      'the package.json has no script start, and there is no server.js, index.js or main: add a start script, or name the folder to serve as build.publish in lockgate.yaml',
    )
  const manager = packageManagerOf(checkout, wantedOf(checkout, described))
  return assemble(checkout, {
    ...common(checkout, described, manager),
    why: [...whyOf(checkout, described, manager), `runs ${command.join(' ')}`],
    // What is not there need not be taken away.
    finish: Object.keys(described.devDependencies).length === 0 && described.workspaces === undefined ? manager.clean : [...manager.prune, ...manager.clean],
    taken: { kind: 'folder', path: '' },
    runner: { base: 'node', version: versionOf(checkout, described).version },
    command,
    env: { NODE_ENV: 'production' },
  })
}

function planSite(checkout: Checkout): BuildPlan | NotThis {
  const described = packageOf(checkout)
  if ('not' in described) return described
  const folder = checkout.manifest.build?.publish ?? generatedFolder(described)
  if (folder === null) return notThis('the package.json names no generator that is known')
  const manager = packageManagerOf(checkout, wantedOf(checkout, described))
  return assemble(checkout, {
    ...common(checkout, described, manager),
    why: [...whyOf(checkout, described, manager), `serves ${folder}`],
    taken: { kind: 'folder', path: folder },
    runner: { base: 'static', version: null },
    command: null,
  })
}

function common(checkout: Checkout, described: Package, manager: PackageManager): Pick<Parts, 'kind' | 'builder' | 'install' | 'build' | 'stepEnv'> {
  const compiled = compiledPackage(checkout, manager.lock)
  return {
    kind: 'node',
    builder: { base: compiled === null ? 'node-build' : 'node-native', version: versionOf(checkout, described).version },
    install: manager.install,
    stepEnv: manager.env,
    build: described.scripts['build'] === undefined ? [] : [manager.script('build')],
  }
}

function whyOf(checkout: Checkout, described: Package, { called, lock }: PackageManager): string[] {
  const version = versionOf(checkout, described).why
  const compiled = compiledPackage(checkout, lock)
  return [
    `found package.json and ${lock}${called === 'npm' ? '' : `, so ${called}`}`,
    ...(version === '' ? [] : [version]),
    ...(compiled === null ? [] : [`with compilers, for ${compiled}`]),
  ]
}

/** What decides how an app of Node would be built, for those that build it in another way. */
export function nodeBases(checkout: Checkout): { readonly version: string | null; readonly compiled: string | null; readonly why: string } | null {
  const described = packageOf(checkout)
  if ('not' in described) return null
  const lock = LOCKS.find((name) => checkout.files.includes(name))
  return { ...versionOf(checkout, described), compiled: lock === undefined ? null : compiledPackage(checkout, lock) }
}

function versionOf(checkout: Checkout, described: Package): Version {
  const engines = described.engines?.node
  const inPackage: Ask | null = engines === undefined ? null : { file: 'engines.node of package.json', wants: engines }
  return nodeVersion(
    askOf(checkout, [
      ['.node-version', firstLine],
      ['.nvmrc', firstLine],
    ]) ?? inPackage,
  )
}

function wantedOf(checkout: Checkout, described: Package): Parameters<typeof packageManagerOf>[1] {
  return {
    packageManager: described.packageManager,
    isClosed: (lock) => hasNoScript(described) && isNpmInstallClosed(checkout, lock),
    copiesLocalFiles: (lock) => checkout.texts[lock] === null || copiesLocalFiles(checkout.texts[lock] ?? ''),
  }
}

/** Neither a script of the app nor a workspace takes part when packages are installed. */
function hasNoScript({ scripts, workspaces }: Package): boolean {
  return LIFECYCLE.every((script) => scripts[script] === undefined) && workspaces === undefined
}

function packageOf({ files, texts }: Checkout): Package | NotThis {
  if (!files.includes('package.json')) return notThis('there is no package.json')
  try {
    const parsed = Package.safeParse(JSON.parse(texts['package.json'] ?? ''))
    if (parsed.success) return parsed.data
    return nearly(`the package.json is not what npm understands: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`)
  } catch {
    return nearly('the package.json cannot be read as JSON')
  }
}

function programIn({ scripts, main, dependencies, devDependencies }: Package, files: readonly string[]): readonly string[] | null {
  const { start } = scripts
  const isForWriting = start !== undefined && FOR_WRITING.test(start.trim()) && generatorOf({ ...dependencies, ...devDependencies }) !== null
  if (start !== undefined && !isForWriting) return startCommand(scripts)
  const candidates = ['server.js', 'index.js', 'server.mjs', 'index.mjs', ...(main === undefined ? [] : [main.replace(/^\.\//, '')])]
  const program = candidates.find((name) => files.includes(name))
  return program === undefined ? null : ['node', program]
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

function generatedFolder({ scripts, dependencies, devDependencies }: Package): string | null {
  return scripts['build'] === undefined ? null : generatorOf({ ...dependencies, ...devDependencies })
}

function generatorOf(packages: Readonly<Record<string, string>>): string | null {
  const name = Object.keys(GENERATED).find((one) => packages[one] !== undefined)
  return name === undefined ? null : (GENERATED[name] ?? null)
}

/** The program of a command, without the shell or env before it. */
function programOf(command: readonly string[]): string {
  const words = (command[0] === 'sh' ? (command[2] ?? '') : command.join(' ')).split(/\s+/)
  return words.find((word) => !['exec', 'env'].includes(word) && !word.includes('=')) ?? ''
}
