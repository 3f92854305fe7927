import { stripVTControlCharacters, styleText } from 'node:util'
import { plainText } from '../lib/control-bytes.ts'

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'

/** Text in a colour, where the output is a terminal that wants colours (NO_COLOR is honoured). */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true })
}

const GOOD = new Set(['running', 'ready', 'succeeded', 'ok'])
const BAD = new Set(['failed', 'crash looping', 'degraded', 'exited', 'missing', 'not ready'])
const WAITING = new Set(['queued', 'deploying', 'paused', 'starting', 'reverting', 'draining', 'stopping', 'restarting', 'cancelled', 'superseded', 'removing'])

/** A status word in its colour. */
export function paintStatus(word: string): string {
  if (GOOD.has(word)) return paint('green', word)
  if (BAD.has(word)) return paint('red', word)
  if (WAITING.has(word)) return paint('yellow', word)
  return word
}

/** Columns a text takes: wide characters (CJK, emoji) take two, escapes none. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of stripVTControlCharacters(text)) width += isWide(character.codePointAt(0) ?? 0) ? 2 : 1
  return width
}

/** East Asian Wide and Fullwidth, as far as names hold them. */
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0x1f300 && code <= 0x1faff)
  )
}

/** Text from the server as it may be written to a terminal. */
export function safe(text: string): string {
  return plainText(text).replaceAll('\n', ' ')
}

const LEAST_COLUMN = 30

/**
 * Rows under their headings, aligned. The last column may be as long as it is; in a terminal of `columns` it goes on under
 * itself, or where too little is left for it, on lines of its own.
 */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], columns = process.stdout.columns ?? Number.POSITIVE_INFINITY): string {
  const last = headings.length - 1
  const widths = headings.map((heading, column) => Math.max(widthOf(heading), ...rows.map((row) => widthOf(row[column] ?? ''))))
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0)
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === last ? cell : cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)) + 2)))
      .join('')
      .trimEnd()
  const fits = before + (widths[last] ?? 0) <= columns
  const longest = Math.max(LEAST_COLUMN, ...rows.flatMap((row) => (row[last] ?? '').split(' ').map(widthOf)))
  const below = !fits && columns - before < longest
  const rowText = (cells: readonly string[]): string => {
    const text = cells[last] ?? ''
    if (fits || text === '') return line(cells)
    if (!below) return line([...cells.slice(0, last), wrap(text, columns - before).join(`\n${' '.repeat(before)}`)])
    const name = headings[last] === '' ? '' : `${headings[last]}: `
    return [line(cells.slice(0, last)), ...wrap(name + text, columns - 4).map((part) => `    ${part}`)].join('\n')
  }
  return [paint('dim', line((below ? headings.slice(0, last) : headings).map((heading) => heading.toUpperCase()))), ...rows.map(rowText)].join('\n')
}

/** Lines of at most so many columns, broken at blanks; a word that is longer stays whole. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const current = lines.at(-1)
    if (current !== undefined && widthOf(current) + 1 + widthOf(word) <= columns) lines[lines.length - 1] = `${current} ${word}`
    else lines.push(word)
  }
  return lines
}

const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
]

/** `3 m ago`; an en dash for never. */
export function ago(at: number | null, now: number): string {
  if (at === null) return '–'
  const past = Math.max(0, now - at)
  const [size, unit] = UNITS.find(([ms]) => past >= ms) ?? [1_000, 's']
  return `${Math.floor(past / size)} ${unit} ago`
}

/** `in 3 d`, `expired`, `never`. */
export function until(at: number | null, now: number): string {
  if (at === null) return 'never'
  if (at <= now) return 'expired'
  const [size, unit] = UNITS.find(([ms]) => at - now >= ms) ?? [1_000, 's']
  return `in ${Math.floor((at - now) / size)} ${unit}`
}

/** A configuration value on one line: line ends and control bytes are shown, not obeyed. */
export function plainValue(text: string): string {
  return safe(text) === text ? text : JSON.stringify(text)
}

/** `31 KB`, `4.2 MB`, `113 MB`, `1.5 GB`. */
export function sizeOf(bytes: number): string {
  const mb = bytes / 1024 / 1024
  if (mb < 1) return `${Math.ceil(bytes / 1024)} KB`
  return mb >= 1024 ? `${(mb / 1024).toFixed(1)} GB` : `${mb < 10 ? mb.toFixed(1) : Math.round(mb)} MB`
}

/** `4.2 s` between two times; an en dash while one is open. */
export function seconds(from: number | null, to: number | null): string {
  return from === null || to === null ? '–' : `${((to - from) / 1000).toFixed(1)} s`
}
