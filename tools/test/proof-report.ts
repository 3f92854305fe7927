// Pages of figures: what the last `bin/test proof` and the last `bin/test machines` did and saw.
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { basename, join } from 'node:path'
import type { z } from 'zod'
import { run } from '../../src/lib/run.ts'
import { ROOT } from '../setup/places.ts'
import { dayAndMachine, type Told } from './report.ts'

type Result = z.infer<typeof Told>['testResults'][number]['assertionResults'][number]

/** Tests whose names differ only behind these words stand in one line of the report. */
const ALIKE = / dies at .*$/

/** `API p99 ms`: of times the longest counts; everything else is summed up. */
const IS_TIME = / (ms|s)$/

/** Writes docs/reference/proof.md. */
export async function writeProof(told: z.infer<typeof Told>, seconds: number): Promise<void> {
  const rule = ' A kill that did not land, and a fault that did not strike, fails its test.'
  write('proof', join('docs', 'reference', 'proof.md'), { told, seconds, host: `kernel ${release()}, ${await versions()}`, rule })
}

/** Writes docs/reports/machines.md. */
export function writeMachines(told: z.infer<typeof Told>, seconds: number): void {
  write('machines', join('docs', 'reports', 'machines.md'), { told, seconds, host: 'a Debian 13 in QEMU (software emulation)', rule: '' })
}

interface Page {
  readonly told: z.infer<typeof Told>
  readonly seconds: number
  readonly host: string
  readonly rule: string
}

/** Every figure on a page was told by a test (`tell` in test/support/proof.ts). */
function write(kind: string, path: string, { told, seconds, host, rule }: Page): void {
  const all = told.testResults.flatMap((file) => file.assertionResults)
  const text = [
    `# The last full run of \`bin/test ${kind}\``,
    '',
    `${dayAndMachine()}, ${host}; ${Math.round(seconds / 60)} minutes: ${counted(all)}.`,
    `\`bin/test ${kind}\` writes this page.${rule}`,
    ...told.testResults.toSorted((a, b) => (a.name < b.name ? -1 : 1)).flatMap(({ name, assertionResults }) => section(basename(name), assertionResults)),
    ...failures(all),
  ]
  writeFileSync(join(ROOT, path), `${text.join('\n')}\n`)
}

function section(file: string, results: readonly Result[]): string[] {
  const groups = new Map<string, Result[]>()
  for (const one of results) {
    const name = one.fullName.replace(ALIKE, '')
    groups.set(name, [...(groups.get(name) ?? []), one])
  }
  const rows = [...groups].map(([name, ofOne]) => `| ${name} | ${counted(ofOne)} | ${secondsOf(ofOne)} s | ${figures(ofOne)} |`)
  const sum = groups.size > 1 ? [`| **all of it** | ${counted(results)} | ${secondsOf(results)} s | ${figures(results)} |`] : []
  return ['', `## ${file}`, '', '| what | tests | took | seen |', '|---|---|---|---|', ...rows, ...sum]
}

function counted(results: readonly Result[]): string {
  const of = (status: string): number => results.filter((one) => one.status === status).length
  const skipped = results.length - of('passed') - of('failed')
  return `${of('passed')} passed, ${of('failed')} failed${skipped > 0 ? `, ${skipped} not run` : ''}`
}

function secondsOf(results: readonly Result[]): string {
  return (results.reduce((sum, one) => sum + (one.duration ?? 0), 0) / 1_000).toFixed(0)
}

function figures(results: readonly Result[]): string {
  const sums = new Map<string, number>()
  for (const one of results)
    for (const [name, value] of Object.entries(one.meta?.figures ?? {}))
      sums.set(name, IS_TIME.test(name) ? Math.max(sums.get(name) ?? 0, value) : (sums.get(name) ?? 0) + value)
  const notes = results.flatMap((one) => one.meta?.notes ?? [])
  return [...notes, ...[...sums].map(([name, value]) => `${name}: ${Number.isInteger(value) ? value : value.toFixed(1)}`)].join(', ')
}

function failures(results: readonly Result[]): string[] {
  const failed = results.filter((one) => one.status === 'failed')
  if (failed.length === 0) return []
  const why = (one: Result): string => (one.failureMessages?.[0] ?? '').split('\n')[0]?.slice(0, 300) ?? ''
  return ['', '## What failed', '', ...failed.map((one) => `- ${one.fullName}: ${why(one)}`)]
}

async function versions(): Promise<string> {
  const first = async (program: string, args: readonly string[]): Promise<string> =>
    run(program, args, { anyStatus: true }).then(
      ({ stdout }) => stdout.split('\n')[0]?.trim() ?? '',
      () => 'unknown',
    )
  const haproxy = /version (\S+)/.exec(await first('haproxy', ['-v']))?.[1] ?? 'unknown'
  const engine = /version (\S+?),/.exec(await first('dockerd', ['--version']))?.[1] ?? 'unknown'
  return `Docker ${engine}, HAProxy ${haproxy}, Node ${process.versions.node}`
}
