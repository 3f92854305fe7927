// What Biome does not know: our own checks over the text of the sources. Each says what it wants, and why it is worth a rule.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Rule {
  /** The sentence after `path:line:`. */
  readonly says: string
  readonly applies: (path: string) => boolean
  /** Each match is a fault. */
  readonly pattern: RegExp
}

const everywhere = (): boolean => true
const isTest = (path: string): boolean => /\.test\.ts$|^test\/|\/contract(-[a-z]+)?\.ts$/.test(path)
const inProduct = (path: string): boolean => path.startsWith('src/') && !isTest(path)
const isPure = (path: string): boolean =>
  /^src\/core\/(deployment\/(plan|step|world|strategies\/[a-z-]+)|route\/table|artifact\/retention|build\/(plan|assemble|dockerfile|junit|procfile|versions|languages\/[a-z-]+)|actor\/may|policy\/policy)\.ts$/.test(
    path,
  ) ||
  (inProduct(path) && /^src\/core\/([a-z-]+)\/\1\.ts$/.test(path))

const RULES: readonly Rule[] = [
  {
    says: 'decides, so time and chance come in as arguments',
    applies: isPure,
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\brandomBytes\(|\brandomUUID\(/,
  },
  {
    says: 'a log message is a constant; the facts stand beside it',
    applies: inProduct,
    pattern: /\blog\??\.(?:debug|info|warn|error)\(\s*(?!'[^']*'\s*[,)])\S/,
  },
  { says: 'a module holds no state: no `let` outside of functions', applies: (path) => !isTest(path), pattern: /^(?:export )?let / },
  {
    says: 'no shell, but a list of arguments',
    applies: everywhere,
    pattern: /\bshell[:]|(?<![.\w])e[x]ec(?:Sync)?\((?!\w+:)|\bexecF[i]le(?:Sync)?\(/,
  },
  { says: 'finish it, or write an issue', applies: everywhere, pattern: /\b(?:TO[D]O|FIX[M]E)\b/ },
  { says: 'names are exported, nothing is the default', applies: (path) => !path.endsWith('.config.ts'), pattern: /^export default\b/ },
  { says: 'a test runs, always and with the others', applies: isTest, pattern: /\b(?:test|it|describe|suite)\.(?:skip|only|todo)\b|\.skipIf\(|\.runIf\(/ },
]

/** Suites are lists of sentences and may be longer; everything else is split by verb before it gets here. */
const MOST_LINES = 300
const MOST_LINES_OF_A_SUITE = 500

/** The faults of one file as `path:line: sentence`. A line that ends with `// lint: because ...` is let pass. */
export function faultsOf(path: string, text: string): string[] {
  const lines = text.split('\n')
  const found = RULES.filter((rule) => rule.applies(path)).flatMap((rule) =>
    lines.flatMap((line, at) => (rule.pattern.test(line) && !/\/\/ lint: because \S/.test(line) ? [`${path}:${at + 1}: ${rule.says}`] : [])),
  )
  return [...found, ...undescribed(path, lines), ...tooLong(path, lines)]
}

/** Functions and classes that others use say what they take, give and throw. */
function undescribed(path: string, lines: readonly string[]): string[] {
  if (!inProduct(path)) return []
  return lines.flatMap((line, at) => {
    const [, name] = /^export (?:async )?(?:abstract )?(?:function\*?|class) (\w+)/.exec(line) ?? []
    if (name === undefined) return []
    const above = lines.slice(0, at).findLast((one) => !one.startsWith('// biome-ignore'))
    return above?.trimEnd().endsWith('*/') ? [] : [`${path}:${at + 1}: ${name} has no doc comment`]
  })
}

function tooLong(path: string, lines: readonly string[]): string[] {
  const most = isTest(path) ? MOST_LINES_OF_A_SUITE : MOST_LINES
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length
  return count <= most ? [] : [`${path}:${most}: has ${count} lines, and ${most} are the limit: split it by verb`]
}

/** All TypeScript of ours, as paths from the root. */
export async function ourFiles(root = ROOT): Promise<string[]> {
  const folders = await Promise.all(
    ['src', 'tools', 'test'].map(async (folder) => (await readdir(join(root, folder), { recursive: true })).map((name) => `${folder}/${name}`)),
  )
  return folders
    .flat()
    .filter((path) => path.endsWith('.ts'))
    .toSorted()
}

async function main(): Promise<void> {
  const paths = await ourFiles()
  const faults = (await Promise.all(paths.map(async (path) => faultsOf(path, await readFile(join(ROOT, path), 'utf8'))))).flat()
  for (const fault of faults) process.stderr.write(`${fault}\n`)
  process.stderr.write(faults.length === 0 ? `lint: ${paths.length} files are fine\n` : `lint: ${faults.length} faults\n`)
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
