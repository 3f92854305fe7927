import { plainlyDecoded, UTF16_MARK } from '../../lib/text.ts'
import { BuildFailure } from './build-failure.ts'
import type { BuildPlan, Checkout } from './build-plan.ts'
import { NODE_LOCKS } from './languages/node-packages.ts'
import { procfileNames } from './procfile.ts'

/** Files by which another platform is told what to do; for each what says the same here. */
const OF_OTHERS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/^CHECKS$/, 'health in lockgate.yaml says how readiness is asked'],
  [/^app\.json$/, 'release_command, health and build.steps of lockgate.yaml take its place'],
  [/^heroku\.yml$/, 'lockgate.yaml takes its place'],
  [/^(docker-)?compose(\.[\w-]+)?\.ya?ml$/, 'one app is one service: create an app for each'],
  [/^(DOKKU_SCALE|formation\.json)$/, '"lockgate scale" says how many instances run'],
  [/^(fly\.toml|render\.ya?ml|railway\.(json|toml)|vercel\.json|netlify\.toml|captain-definition|nixpacks\.toml|now\.json)$/, 'lockgate.yaml takes its place'],
  [/^(\.buildpacks|project\.toml|Aptfile|nginx\.conf\.sigil)$/, 'a Dockerfile, or build.builder in lockgate.yaml, has what it asks for'],
]
const VOLUME = /^[ \t]*VOLUME[ \t]+(.+?)[ \t]*$/gim
const ALMOST_MANIFEST = /^\.?lockgate\.(ya?ml|json|toml)$/i
const PYTHON_LOCKS = ['uv.lock', 'poetry.lock', 'Pipfile.lock', 'requirements.txt']
/** Read by their tools in UTF-16 as well. */
const READ_EITHER_WAY = ['Procfile', 'requirements.txt', 'lockgate.yaml']

/** Refuses files that were surely meant, and are not understood. Throws BuildFailure `not_understood`. */
export function refuseMisread({ files, texts }: Checkout): void {
  const almost = files.find((file) => ALMOST_MANIFEST.test(file))
  if (almost !== undefined && !files.includes('lockgate.yaml'))
    throw new BuildFailure('not_understood', `${almost} is not read: the file is called lockgate.yaml. Rename it, or remove it`)
  for (const [name, text] of Object.entries(texts)) {
    if (text === null || name.includes('/')) continue
    if (text.startsWith(UTF16_MARK) && !READ_EITHER_WAY.includes(name))
      throw new BuildFailure('not_understood', `${name} is text in UTF-16, which its tools do not read: save it as UTF-8`)
    if (text.includes('\0'))
      throw new BuildFailure(
        'not_understood',
        `Line ${plainlyDecoded(text).split('\0')[0]?.split('\n').length ?? 1} of ${name} holds a NUL byte: save it as UTF-8`,
      )
  }
}

/** Sentences about what stands in a checkout and is not used, one for each. Pure. */
export function leftOut(checkout: Checkout, plan: BuildPlan): string[] {
  return [
    ...otherManifests(checkout),
    ...buildKeys(checkout, plan),
    ...filesOfOthers(checkout),
    ...processes(checkout, plan),
    ...locks(checkout, plan),
    ...volumes(checkout, plan),
  ].map((sentence) => `Not used: ${sentence}`)
}

function otherManifests({ files }: Checkout): string[] {
  return files.filter((file) => ALMOST_MANIFEST.test(file) && file !== 'lockgate.yaml').map((file) => `${file}, because lockgate.yaml is there`)
}

/** Keys of `build` that say something of another kind of build. */
function buildKeys({ manifest }: Checkout, plan: BuildPlan): string[] {
  const said = Object.keys(manifest.build ?? {})
  const of = (keys: readonly string[], because: string): string[] =>
    said.filter((key) => keys.includes(key)).map((key) => `build.${key} of lockgate.yaml, because ${because}`)
  if (plan.kind === 'dockerfile') return of(['builder', 'runner', 'install', 'steps', 'junit', 'output', 'publish'], 'the Dockerfile says how it is built')
  return [
    ...of(['dockerfile', 'target', 'args'], 'no Dockerfile is built'),
    ...(plan.kind === 'php' || plan.kind === 'static' ? [] : of(['publish'], `a build of the kind ${plan.kind} serves no folder`)),
  ]
}

function filesOfOthers({ files }: Checkout): string[] {
  return OF_OTHERS.flatMap(([pattern, instead]) => files.filter((file) => pattern.test(file)).map((file) => `${file}; ${instead}`))
}

function processes(checkout: Checkout, plan: BuildPlan): string[] {
  const names = procfileNames(checkout)
  if (names.length === 0) return []
  if (plan.kind === 'dockerfile') return ['the Procfile, because the Dockerfile says what runs']
  const others = names.filter((name) => name !== 'web' && name !== 'release')
  const isSaid = names.includes('web') && checkout.manifest.processes?.web.command !== undefined
  return [
    ...(isSaid ? ['"web" of the Procfile, because lockgate.yaml has processes.web.command'] : []),
    ...(names.includes('release') && checkout.manifest.release_command !== undefined
      ? ['"release" of the Procfile, because lockgate.yaml has release_command']
      : []),
    ...others.map((name) => `"${name}" of the Procfile; only web and release are run: create an app for it, with processes.web.command`),
  ]
}

function locks({ files, texts }: Checkout, plan: BuildPlan): string[] {
  const all = plan.kind === 'node' ? NODE_LOCKS : plan.kind === 'python' ? PYTHON_LOCKS : []
  const there = all.filter((name) => files.includes(name))
  const used = there.find((name) => plan.why.some((sentence) => sentence.includes(name)))
  if (used === undefined) return []
  const how = plan.kind === 'node' && (texts['package.json'] ?? '').includes('"packageManager"') ? ' (packageManager of package.json says so)' : ''
  return there.filter((name) => name !== used).map((name) => `${name}, because ${used} is installed from${how}`)
}

function volumes({ texts }: Checkout, plan: BuildPlan): string[] {
  if (plan.kind !== 'dockerfile') return []
  return [...(texts[plan.file] ?? '').matchAll(VOLUME)].map(([, paths]) => volume(paths ?? ''))
}

/**
 * Sentences about volumes that an image has from those it was made from; `written`: the Dockerfile, whose own are said by `leftOut`.
 * Pure.
 */
export function volumesLeftOut(paths: readonly string[], written = ''): string[] {
  const said = new Set([...written.matchAll(VOLUME)].flatMap(([, words = '']) => words.split(/[\s"',[\]]+/)))
  return paths.filter((path) => !said.has(path)).map((path) => `Not used: ${volume(`${path} of the image`)}`)
}

/** What an app writes there is gone with its instance. */
function volume(paths: string): string {
  return `VOLUME ${paths}, which is not kept: what the app writes there is gone with each instance. Keep it in a database or an object store`
}
