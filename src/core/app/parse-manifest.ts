import { isNode, Lexer, LineCounter, Parser, parseDocument, visit, type YAMLError } from 'yaml'
import type { z } from 'zod'
import { InvalidError } from '../../lib/errors.ts'
import { plainlyDecoded } from '../../lib/text.ts'
import { EMPTY_MANIFEST, Manifest } from './manifest.ts'
import { beyond, type Maxima, withMaxima } from './maxima.ts'

/** One thing that is wrong, and where. */
export interface ManifestProblem {
  readonly line: number
  readonly column: number
  /** `health.path`. */
  readonly path: string
  readonly message: string
}

const FILE = 'lockgate.yaml'
const LARGEST = 64 * 1024
/** What the parser has open at a time: a manifest needs some twenty, and what builds the document calls itself for each. */
const MOST_OPEN = 100
/** What values are without a tag, too. */
const PLAIN_TAGS = new Set(['map', 'seq', 'str', 'int', 'float', 'bool', 'null'].map((name) => `tag:yaml.org,2002:${name}`))

/**
 * Reads `lockgate.yaml`; an empty text is an empty manifest. Aliases are not followed (a few lines of them can stand for
 * gigabytes). Nothing in it is beyond `maxima`, also no default. Throws InvalidError `manifest.invalid` with every problem, its line and column.
 */
export function parseManifest(given: string, maxima: Maxima = {}): Manifest {
  const text = plainlyDecoded(given)
  if (Buffer.byteLength(text) > LARGEST) throw failure([{ line: 1, column: 1, path: '', message: 'the file is larger than 64 KiB' }])
  refuseDeep(text)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, strict: true })
  const syntax = [...document.errors, ...document.warnings].map((error) => problemOf(error, lines))
  if (syntax.length > 0) throw failure(syntax)
  if (document.contents === null) return withMaxima(EMPTY_MANIFEST, maxima)
  const odd = oddities(document, lines)
  if (odd.length > 0) throw failure(odd)
  const parsed = Manifest.safeParse(contentsOf(document))
  const issues = parsed.success ? beyond(parsed.data, maxima) : parsed.error.issues.flatMap((issue) => spread(issue))
  if (parsed.success && issues.length === 0) return withMaxima(parsed.data, maxima)
  throw failure(issues.map((issue) => place(issue, { document, lines })))
}

/** Throws before anything is built of a text that nests without end. */
function refuseDeep(text: string): void {
  const lines = new LineCounter()
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    for (const _token of parser.next(lexeme));
    if (parser.stack.length <= MOST_OPEN) continue
    const { line, col } = lines.linePos(parser.offset)
    throw failure([{ line, column: col, path: '', message: 'this is nested deeper than anything that can stand here' }])
  }
}

/** What YAML can say and a manifest cannot: values of other kinds, a name that would be lost, text that no program takes. */
function oddities(document: ReturnType<typeof parseDocument>, lines: LineCounter): ManifestProblem[] {
  const problems: ManifestProblem[] = []
  const add = (node: unknown, message: string): void => {
    const { line, col } = lines.linePos(startOf(node) ?? 0)
    problems.push({ line, column: col, path: '', message })
  }
  visit(document, {
    Node: (_key, node) => {
      if (isNode(node) && 'tag' in node && node.tag !== undefined && !PLAIN_TAGS.has(node.tag)) add(node, 'a tag such as !!set is not allowed here')
      if (!isScalar(node) || typeof node.value !== 'string') return
      if (node.value.includes('\0')) add(node, 'a NUL byte is not allowed here')
      if (!node.value.isWellFormed()) add(node, 'half of a character (a lone surrogate) is not allowed here')
    },
    Pair: (_key, { key }) => {
      if (isScalar(key) && key.value === '__proto__') add(key, 'there is no key "__proto__" here')
    },
  })
  return problems
}

function contentsOf(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch {
    throw failure([{ line: 1, column: 1, path: '', message: 'aliases (&name, *name) are not allowed here' }])
  }
}

/** What the library says to programmers, for people. */
const SAID: Partial<Record<YAMLError['code'], string>> = {
  DUPLICATE_KEY: 'this key stands here twice',
  MULTIPLE_DOCS: 'a second document begins here: the file is one, without "---" or "..." in it',
}

function problemOf(error: YAMLError, lines: LineCounter): ManifestProblem {
  const { line, col } = lines.linePos(error.pos[0])
  return { line, column: col, path: '', message: SAID[error.code] ?? error.message }
}

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** An unknown key is one problem each, at the key; of a union the branch speaks that came furthest, or whose form it has. */
function spread(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: [...issue.path, key], message: `there is no key "${key}" here` }))
  if (issue.code === 'invalid_union') {
    const branch = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0]
    if (branch && depth(branch) > 0) return branch.flatMap((inner) => spread({ ...inner, path: [...issue.path, ...inner.path] }))
    const ofItsForm = issue.errors.flat().find((inner) => inner.code === 'custom')
    if (ofItsForm) return [{ path: issue.path, message: ofItsForm.message }]
    return [{ path: issue.path, message: 'this has none of the forms that are allowed here' }]
  }
  return [{ path: issue.path, message: issue.message }]
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length))
}

function place(issue: Issue, at: { readonly document: ReturnType<typeof parseDocument>; readonly lines: LineCounter }): ManifestProblem {
  const offset = offsetOf(at.document.contents, issue.path) ?? 0
  const { line, col } = at.lines.linePos(offset)
  return { line, column: col, path: issue.path.map(String).join('.'), message: issue.message }
}

/** Where the key (or list item) at the end of a path begins; the deepest part of the path that exists. */
function offsetOf(node: unknown, path: readonly PropertyKey[]): number | null {
  let current = node
  let offset = startOf(node)
  for (const key of path) {
    if (!hasItems(current)) break
    const item = typeof key === 'number' ? current.items[key] : current.items.find((pair) => isPair(pair) && isScalar(pair.key) && pair.key.value === key)
    if (item === undefined) break
    offset = startOf(isPair(item) ? item.key : item) ?? offset
    current = isPair(item) ? item.value : item
  }
  return offset
}

function startOf(node: unknown): number | null {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return null
  return Number(node.range[0])
}

function hasItems(node: unknown): node is { items: unknown[] } {
  return typeof node === 'object' && node !== null && 'items' in node && Array.isArray(node.items)
}

function isPair(node: unknown): node is { key: unknown; value: unknown } {
  return typeof node === 'object' && node !== null && 'key' in node
}

function isScalar(node: unknown): node is { value: unknown } {
  return typeof node === 'object' && node !== null && 'value' in node
}

function failure(problems: readonly ManifestProblem[]): InvalidError {
  const text = problems
    .map((problem) => `${FILE}:${problem.line}:${problem.column}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`)
    .join('\n')
  return new InvalidError('manifest.invalid', text, { details: { problems } })
}
