// What bin/test does: an engine, no leftovers, each kind of test in turn, one line at the end.

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { z } from 'zod'
import { detach, launch } from '../../src/lib/run.ts'
import { ENGINE, engineAnswers, waitForEngine } from '../setup/engine.ts'
import { ROOT } from '../setup/places.ts'
import { removeLeftovers } from './leftovers.ts'
import { writeMachines, writeProof } from './proof-report.ts'
import { Told, writeReport } from './report.ts'

/** What runs without a word. */
const KINDS = ['unit', 'integration', 'e2e'] as const
/** What takes longer, and leaves a report. */
const LONG_KINDS = ['builds', 'proof', 'machines'] as const
/** What needs no engine on this host. */
const WITHOUT_ENGINE = ['unit', 'machines']

const Results = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  testResults: z.array(z.object({ name: z.string(), status: z.string(), assertionResults: z.array(z.unknown()) })),
})

interface Sum {
  passed: number
  failed: number
  skipped: number
}

/** An engine for the tests: the one that answers, else one of our own for as long as they run. */
async function withEngine(work: () => Promise<void>): Promise<void> {
  if (await engineAnswers()) return work()
  process.stderr.write('· starting a Docker engine for the tests\n')
  const log = openSync(join(tmpdir(), 'lockgate-test-engine.log'), 'a')
  const pid = detach(ENGINE.file, ENGINE.args, { log })
  closeSync(log)
  try {
    await waitForEngine(join(tmpdir(), 'lockgate-test-engine.log'))
    await work()
  } finally {
    process.kill(pid, 'SIGTERM')
  }
}

async function runKind(kind: string, files: readonly string[], sum: Sum): Promise<void> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'lockgate-results-'))
  const output = join(folder, 'results.json')
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    kind,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
    ...files,
  ]
  const child = launch(process.execPath, args, {
    cwd: ROOT,
    env: { ...(process.env as Record<string, string>), FORCE_COLOR: process.stdout.isTTY ? '1' : '0' },
  })
  child.stdin?.end()
  let printed = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
    process.stdout.write(chunk)
  })
  child.stderr?.pipe(process.stderr, { end: false })
  const status = await new Promise((resolve) => child.on('close', resolve))
  try {
    const told: unknown = JSON.parse(readFileSync(output, 'utf8'))
    const results = Results.parse(told)
    // A run that skipped everything says nothing that the last report does not say better.
    const ran = results.numPassedTests + results.numFailedTests > 0
    if (isLong(kind) && files.length === 0 && ran) await leaveReport(kind, { told: Told.parse(told), printed, seconds: (performance.now() - began) / 1_000 })
    sum.passed += results.numPassedTests
    sum.failed += results.numFailedTests
    sum.skipped += results.numPendingTests
    // A file that does not even load has no tests to count, and must not look green.
    sum.failed += results.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
    if (status !== 0 && sum.failed === 0) sum.failed += 1
  } catch {
    sum.failed += 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Run {
  readonly told: z.infer<typeof Told>
  readonly printed: string
  readonly seconds: number
}

async function leaveReport(kind: string, { told, printed, seconds }: Run): Promise<void> {
  if (kind === 'proof') return writeProof(told, seconds)
  if (kind === 'machines') return writeMachines(told, seconds)
  writeReport(kind, told, stripVTControlCharacters(printed))
}

function isLong(kind: string): boolean {
  return LONG_KINDS.some((one) => one === kind)
}

const [first, ...rest] = process.argv.slice(2)
const kind = [...KINDS, ...LONG_KINDS].find((one) => one === first)
const files = kind === undefined && first !== undefined ? [first, ...rest] : rest
const sum: Sum = { passed: 0, failed: 0, skipped: 0 }
const everything = async (): Promise<void> => {
  await removeLeftovers()
  for (const one of kind === undefined ? KINDS : [kind]) await runKind(one, files, sum)
}
await (kind !== undefined && WITHOUT_ENGINE.includes(kind) ? everything() : withEngine(everything))
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}\n`)
process.exit(sum.failed > 0 ? 1 : 0)
