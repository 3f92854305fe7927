import { decodeText, plainlyDecoded } from '../lib/text.ts'

/** What a .env file says, and what a person may have meant otherwise. */
export interface DotEnv {
  readonly values: Readonly<Record<string, string>>
  /** Sentences with their line. */
  readonly notes: readonly string[]
}

/** A line of a .env file that says nothing that could be used. */
export class DotEnvError extends Error {}

const KEY = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*/
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' }

/**
 * Reads a .env file: `KEY=VALUE` lines, `export` before them, comments after "#" (in a line of a value only behind a blank), values
 * in quotes over several lines. Nothing is expanded and nothing passed over. Throws DotEnvError with the number of the line.
 */
export function parseDotEnv(bytes: Uint8Array): DotEnv {
  const text = plainlyDecoded(decodeText(bytes)).replace(/\r\n?/g, '\n')
  const bad = text.search(/[\ufffd\0]/)
  if (bad >= 0) throw new DotEnvError(`line ${lineAt(text, bad)}: this is not text in UTF-8 or UTF-16`)
  const values = new Map<string, string>()
  const notes: string[] = []
  let at = 0
  while (at < text.length) {
    const line = lineAt(text, at)
    const ends = endOfLine(text, at)
    const whole = text.slice(at, ends)
    if (/^[ \t]*(#.*)?$/.test(whole)) {
      at = ends + 1
      continue
    }
    const [head, key = ''] = KEY.exec(whole) ?? []
    if (head === undefined) throw new DotEnvError(`line ${line}: "${whole.trim().slice(0, 60)}" is not KEY=VALUE`)
    const read = readValue(text, at + head.length, { line, key })
    if (values.has(key)) notes.push(`line ${line}: ${key} stands there again; this later value is taken`)
    if (read.mayExpand && /\$\{\w+\}|\$[A-Za-z_]/.test(read.value)) notes.push(`line ${line}: ${key} has a "$", which is taken as it is: nothing is expanded`)
    values.set(key, read.value)
    at = read.next
  }
  return { values: Object.fromEntries(values), notes }
}

interface Read {
  readonly value: string
  /** Where the next line begins. */
  readonly next: number
  /** Other readers put the values of variables into it. */
  readonly mayExpand: boolean
}

function readValue(text: string, from: number, of: { readonly line: number; readonly key: string }): Read {
  const quote = text[from] ?? ''
  if (quote === '"' || quote === "'" || quote === '`') return readQuoted(text, from, { ...of, quote })
  const ends = endOfLine(text, from)
  const value = text
    .slice(from, ends)
    .replace(/(^|[ \t])#.*$/, '')
    .trimEnd()
  return { value, next: ends + 1, mayExpand: true }
}

function readQuoted(text: string, from: number, of: { readonly line: number; readonly key: string; readonly quote: string }): Read {
  const { line, key, quote } = of
  let value = ''
  let at = from + 1
  for (; at < text.length && text[at] !== quote; at++) {
    const next = text[at + 1] ?? ''
    const escaped = quote === '"' && text[at] === '\\' ? ESCAPES[next] : undefined
    value += escaped ?? text[at]
    if (escaped !== undefined) at++
  }
  if (at >= text.length) throw new DotEnvError(`line ${line}: the value of ${key} begins with ${quote}, and nothing ends it`)
  const ends = endOfLine(text, at)
  const rest = text.slice(at + 1, ends)
  if (!/^[ \t]*([ \t]#.*)?$/.test(rest))
    throw new DotEnvError(`line ${lineAt(text, at)}: the value of ${key} ends with ${quote}, and "${rest.trim().slice(0, 40)}" stands behind it`)
  return { value, next: ends + 1, mayExpand: quote === '"' }
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

function endOfLine(text: string, at: number): number {
  const found = text.indexOf('\n', at)
  return found < 0 ? text.length : found
}
