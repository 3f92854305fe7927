/** One line of the report. */
export interface Figure {
  readonly what: string
  /** What was measured, with N where it counts. */
  readonly measured: string
  /** What it is to be compared with, measured in the same run. */
  readonly beside: string
  readonly reach: string
  readonly reached: boolean
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export function ms(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(2)} s` : `${value.toFixed(1)} ms`
}

/** The report as a table in Markdown, readable in a terminal too. */
export function report(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [figure.what, figure.measured, figure.beside, figure.reach, figure.reached ? 'yes' : 'NO'])
  const all = [['what', 'measured', 'beside it', 'to reach', 'reached'], ...rows]
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(all[0] ?? []), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}
