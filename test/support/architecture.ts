// The direction of imports, read from the text of the sources: no compiler, no dependency.
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

/** Path from the root of the repository, as `src/core/app/app.ts`, to the text of the file. */
export type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

/** What a file is, by its path; the first pattern that fits says. A file that fits none is outside the tree. */
const KINDS = [
  ['test', /\.test\.ts$|^src\/(drivers\/[a-z-]+|store)\/contract(-[a-z]+)?\.ts$/],
  ['main', /^src\/main\.ts$/],
  ['settings', /^src\/settings\.ts$/],
  ['machine', /^src\/machine\.ts$/],
  ['version', /^src\/version\.ts$/],
  ['supervisor', /^src\/supervisor\.ts$/],
  ['lib', /^src\/lib\/[a-z0-9-]+\.ts$/],
  [
    'pure',
    /^src\/core\/(deployment\/(plan|world|strategies\/[a-z-]+)|route\/table|artifact\/retention|environment\/target|instance\/analysis|build\/(queue|plan|assemble|left-out|dockerfile|junit|procfile|versions|languages\/[a-z-]+)|actor\/may|policy\/policy)\.ts$/,
  ],
  [
    'noun',
    /^src\/core\/([a-z-]+)\/\1\.ts$|^src\/core\/(deployment\/step|app\/(manifest|maxima)|environment\/strategy|instance\/reading|build\/(build-failure|build-plan|build-step|limits))\.ts$/,
  ],
  ['port', /^src\/(drivers\/[a-z-]+\/types|store\/types|core\/build\/source)\.ts$/],
  ['verb', /^src\/core\/([a-z-]+\/[a-z-]+|context|loops)\.ts$/],
  ['driver shape', /^src\/drivers\/driver\.ts$/],
  ['registry', /^src\/drivers\/[a-z-]+\/index\.ts$/],
  ['driver', /^src\/drivers\/[a-z-]+\/[a-z-]+\/[a-z-]+\.ts$/],
  ['store', /^src\/store\/[a-z-]+\.ts$/],
  ['contract', /^src\/api\/contract\/[a-z-]+\.ts$/],
  // What every face needs that speaks HTTP: who may come in, and which status an error has.
  ['door', /^src\/api\/(door|errors)\.ts$/],
  ['api', /^src\/api\/(endpoints\/)?[a-z-]+\.ts$/],
  ['git', /^src\/git\/[a-z-]+\.ts$/],
  ['cli', /^src\/cli\/(commands\/)?[a-z-]+\.ts$/],
] as const satisfies readonly (readonly [string, RegExp])[]
type Kind = (typeof KINDS)[number][0]

/** What each may import; drivers and the root have rules of their own below. */
const MAY_IMPORT: Readonly<Record<Exclude<Kind, 'test' | 'main'>, readonly Kind[]>> = {
  settings: ['noun', 'lib'],
  machine: ['settings', 'lib'],
  version: [],
  supervisor: ['lib'],
  lib: ['lib'],
  noun: ['noun', 'lib'],
  pure: ['pure', 'noun', 'lib'],
  port: ['port', 'noun', 'lib'],
  verb: ['verb', 'pure', 'noun', 'port', 'lib'],
  'driver shape': ['lib'],
  registry: ['driver', 'driver shape', 'port'],
  driver: ['driver', 'driver shape', 'port', 'pure', 'noun', 'lib'],
  store: ['store', 'port', 'noun', 'lib'],
  contract: ['contract', 'pure', 'noun', 'lib'],
  door: ['contract', 'verb', 'pure', 'noun', 'port', 'lib'],
  api: ['api', 'door', 'contract', 'verb', 'pure', 'noun', 'port', 'lib'],
  git: ['git', 'door', 'contract', 'verb', 'pure', 'noun', 'port', 'lib'],
  cli: ['cli', 'contract', 'lib', 'version'],
}

/** Time, chance and the outside: a pure file is given their results, never them. */
const IMPURE_LIB = /^src\/lib\/(clock|ids|run|files|log|work-queue|failpoint)\.ts$/

/** Which files may know a package. What is not named here is for everybody (zod, yaml) or for its one driver. */
const PACKAGES: readonly (readonly [RegExp, RegExp])[] = [
  [/^(fastify|@fastify\/)/, /^src\/(api|git)\//],
  [/^(kysely|node:sqlite)/, /^src\/(store\/|lib\/exclusive\.ts$)/],
  [/^commander/, /^src\/cli\//],
  [/^dockerode/, /^src\/drivers\/runtime\/docker\//],
  [/^pino/, /^src\/lib\/log\.ts$/],
]

/** Words that only some files may say. */
const WORDS: readonly { readonly rule: string; readonly word: RegExp; readonly only: RegExp }[] = [
  {
    rule: 'only core/environment/ and core/one-off/advance.ts change what runs',
    word: /\bruntime\s*\.\s*(ensure|start|stop|remove|removeNetwork|putFile)\(/,
    only: /^src\/(core\/(environment\/|one-off\/advance\.ts)|drivers\/)/,
  },
  {
    rule: 'only retention, what takes a removed app away, and what cleans the disk, remove images',
    word: /\bruntime\s*\.\s*removeImage\(/,
    only: /^src\/(core\/(environment\/tidy|app\/forget|disk\/clean)\.ts|drivers\/)/,
  },
  { rule: 'only core/route/reconciler.ts tells the edge what to serve', word: /\bedge\s*\.\s*serve\(/, only: /^src\/(core\/route\/reconciler\.ts|drivers\/)/ },
  {
    rule: 'only lib/run.ts starts programs',
    word: /^import (?!type ).*['"](node:)?child_process['"]|(import|require|getBuiltinModule)\(['"](node:)?child_process/m,
    only: /^src\/lib\/run\.ts$/,
  },
]

/** Every broken rule as a sentence that begins with the file; none is as it should be. */
export function violations(sources: Sources): string[] {
  const production = [...sources].filter(([path]) => kindOf(path) !== 'test')
  const imports = production.flatMap(([path, text]) => importsOf(path, text))
  return [
    ...production.flatMap(([path]) => misplaced(path, sources)),
    ...imports.flatMap(brokenRules),
    ...production.flatMap(([path, text]) => WORDS.filter(({ word, only }) => word.test(text) && !only.test(path)).map(({ rule }) => `${path}: ${rule}`)),
    ...cycles(imports).map((path) => `${path[0]}: goes round in a circle: ${path.join(' -> ')}`),
  ]
}

/** All TypeScript below `src`. */
export async function readSources(root: string): Promise<Sources> {
  const names = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts')).map((name) => `src/${name}`)
  return new Map(await Promise.all(names.toSorted().map(async (name) => [name, await readFile(join(root, name), 'utf8')] as const)))
}

function kindOf(path: string): Kind | null {
  return KINDS.find(([, pattern]) => pattern.test(path))?.[0] ?? null
}

function misplaced(path: string, sources: Sources): string[] {
  if (kindOf(path) === null) return [`${path}: is outside the tree (see the map in ARCHITECTURE.md)`]
  const [, noun] = /^src\/core\/([a-z-]+)\//.exec(path) ?? []
  return noun === undefined || sources.has(`src/core/${noun}/${noun}.ts`) ? [] : [`${path}: its folder has no noun ${noun}.ts`]
}

function importsOf(from: string, text: string): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s+(?:(type)\s+)?(?:[^'"]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...statements].map(([, type, named, dynamic]) => {
    const target = named ?? dynamic ?? ''
    return { from, to: target.startsWith('.') ? normalize(join(dirname(from), target)) : target, typeOnly: type === 'type' }
  })
}

function brokenRules(one: Import): string[] {
  const { from, to, typeOnly } = one
  if (!to.startsWith('src/')) return outsideRule(one)
  const [kind, target] = [kindOf(from), kindOf(to)]
  if (target === 'test') return [`${from}: imports a test, ${to}`]
  if (kind === null || kind === 'test' || kind === 'main' || target === null) return []
  if (!MAY_IMPORT[kind].includes(target)) return [`${from}: a ${kind} file must not import a ${target} file, ${to}`]
  if (kind === 'pure' && IMPURE_LIB.test(to)) return [`${from}: decides, so it must not import ${to}`]
  if (target === 'port' && !typeOnly) return [`${from}: a port is imported as a type, ${to}`]
  if (target === 'driver' && !related(from, to)) return [`${from}: must not know the driver of another folder, ${to}`]
  return []
}

function outsideRule({ from, to }: Import): string[] {
  if (/^(test|tools|examples)\//.test(to)) return [`${from}: the product must not import ${to}`]
  if (kindOf(from) === 'main') return []
  return PACKAGES.filter(([name, files]) => name.test(to) && !files.test(from)).map(() => `${from}: must not know ${to}`)
}

/** A driver knows its own folder; a registry the folders of its kind; builders share the making of bases. */
function related(from: string, to: string): boolean {
  const [own, other] = [dirname(from), dirname(to)]
  if (own === other || (kindOf(from) === 'registry' && dirname(other) === own)) return true
  return own.startsWith('src/drivers/builder/') && other === 'src/drivers/builder/bases'
}

/** Circles of imports, of types too; each once. */
function cycles(imports: readonly Import[]): string[][] {
  const next = Map.groupBy(imports, (one) => one.from)
  const done = new Set<string>()
  const found: string[][] = []
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push([...trail.slice(at), path])
    if (at >= 0 || done.has(path)) return
    for (const { to } of next.get(path) ?? []) walk(to, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) walk(path, [])
  return found
}
