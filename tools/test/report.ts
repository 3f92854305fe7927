import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join, relative } from 'node:path'
import { z } from 'zod'
import { ROOT } from '../setup/places.ts'

/** What vitest's JSON reporter says of a run, as far as the report tells it. */
export const Told = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          duration: z.number().nullish(),
          failureMessages: z.array(z.string()).nullish(),
          meta: z.object({ figures: z.record(z.string(), z.number()).optional(), notes: z.array(z.string()).optional() }).nullish(),
        }),
      ),
    }),
  ),
})

/** A line a suite printed of what it measured: `<test>: 120 answers of the app beside it, 0 failed, p99 3.4 ms, …`. */
const MEASURED = /^(?:.*?)([^\n]+?): (\d+ answers of the app beside it, .*)$/gm

/** `2026-11-21, 2 cores (…), 24 GB`: the day and the machine of a report. */
export function dayAndMachine(): string {
  return `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? ''}), ${Math.round(totalmem() / 1024 ** 3)} GB`
}

/** Writes docs/reports/<kind>.md: every test of the last full run with its seconds, and what it measured. */
export function writeReport(kind: string, told: z.infer<typeof Told>, printed: string): void {
  const measured = new Map([...printed.matchAll(MEASURED)].map(([, name = '', said = '']) => [name.trim(), said.trim()]))
  const tests = told.testResults.flatMap((file) => file.assertionResults)
  const failed = tests.filter((one) => one.status === 'failed').length
  const passed = tests.filter((one) => one.status === 'passed').length
  const head = [
    `# The last full run of \`bin/test ${kind}\``,
    '',
    `${dayAndMachine()}: ${passed} passed, ${failed} failed.`,
    `\`bin/test ${kind}\` writes this page.`,
  ]
  const files = told.testResults.map((file) => {
    const rows = file.assertionResults.map((one) => {
      const name = [...measured.keys()].find((key) => one.fullName.endsWith(key))
      return `| ${one.status === 'passed' ? '' : `**${one.status}** `}${one.fullName} | ${((one.duration ?? 0) / 1000).toFixed(1)} s | ${name === undefined ? '' : measured.get(name)} |`
    })
    return ['', `## ${relative(ROOT, file.name)}`, '', '| test | took | beside it |', '|---|---|---|', ...rows].join('\n')
  })
  writeFileSync(join(ROOT, 'docs', 'reports', `${kind}.md`), `${[...head, ...files].join('\n')}\n`)
}
