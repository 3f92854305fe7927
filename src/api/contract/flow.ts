// The ordered flow as lines of text: the same in the push output, in the CLI and in a CI job's log.
import type { z } from 'zod'
import { strategyText } from '../../core/environment/strategy.ts'
import type { Build, DeploymentLive, Step, Watch } from './resources.ts'

export { strategyText }

type StepView = z.output<typeof Step>
type BuildView = z.output<typeof Build>
type LiveView = z.output<typeof DeploymentLive>

const WORDS: Readonly<Record<StepView['kind'], string>> = {
  check: 'check',
  'release-command': 'release command',
  hold: 'hold requests',
  update: 'update',
  start: 'start',
  'resume-traffic': 'resume traffic',
  'shift-traffic': 'shift traffic',
  soak: 'watch share',
  switch: 'switch traffic',
  'stop-traffic': 'stop traffic',
  stop: 'stop',
  remove: 'remove',
  'end-hold': 'send on',
}

/** `stop traffic`. */
export function stepWord(kind: StepView['kind']): string {
  return WORDS[kind]
}

/** `web.0 of set 4` out of `lockgate-x7k2mq-shop--production-4-0`: what tells instances of one environment apart. */
export function shortInstance(name: string): string {
  const [, set, ordinal] = /-(\d+)-(\d+)$/.exec(name) ?? []
  return set === undefined ? name : `web.${ordinal} (set ${set})`
}

/** What was counted in a step, for people: `7 in flight, all finished`. */
export function stepNumbers(step: StepView): string {
  const { inFlightAtStart, inFlight, cut, left, exitCode, probe } = step.numbers
  const parts: string[] = []
  if (step.kind === 'stop-traffic' && inFlightAtStart !== undefined) {
    if (step.status === 'intended') parts.push(`${inFlight ?? inFlightAtStart} in flight`)
    else if (inFlightAtStart === 0) parts.push('nothing in flight')
    else
      parts.push(
        cut ? `${inFlightAtStart} in flight, ${cut} cut${left ? ` (${left} ended only with the instance)` : ''}` : `${inFlightAtStart} in flight, all finished`,
      )
  }
  if (step.kind === 'end-hold' && step.numbers.held !== undefined)
    parts.push(step.numbers.held === 1 ? '1 request waited' : `${step.numbers.held} requests waited`)
  if (step.kind === 'soak') parts.push(...shareNumbers(step.numbers))
  if (step.kind === 'stop' && exitCode !== undefined) parts.push(`exit code ${exitCode}`)
  if (step.kind === 'start' && probe) parts.push(probe)
  return parts.join(', ')
}

/** `1,204 requests, 0.1 % failed, 12 ms; the old one 0.0 %, 11 ms`. */
function shareNumbers(numbers: StepView['numbers']): string[] {
  const { requests, failures = 0, answerMs = 0, oldRequests = 0, oldFailures = 0, oldAnswerMs = 0 } = numbers
  if (requests === undefined) return []
  const told = (of: number, failed: number, ms: number): string =>
    of === 0 ? 'no requests' : `${((failed / of) * 100).toFixed(1)} % failed, ${Math.round(ms)} ms`
  return [`${requests} ${requests === 1 ? 'request' : 'requests'}, ${told(requests, failures, answerMs)}; old: ${told(oldRequests, oldFailures, oldAnswerMs)}`]
}

const MARKS: Readonly<Record<StepView['status'], string>> = { done: '✓', failed: '✗', dropped: '–', intended: '…' }

/** One step as one line: mark, word, instance, seconds, numbers. */
export function stepLine(step: StepView): string {
  const { percent } = step.numbers
  const subject = step.instance !== null ? shortInstance(step.instance) : percent === undefined ? '' : `${percent} %`
  const notes = step.status === 'intended' ? (step.waiting === null ? '' : `waits for ${step.waiting}`) : stepNumbers(step)
  return `${MARKS[step.status]} ${stepWord(step.kind).padEnd(15)} ${subject.padEnd(16)} ${`${step.seconds.toFixed(1)} s`.padStart(7)}${notes === '' ? '' : `  ${notes}`}`.trimEnd()
}

/** Turns pictures of a deployment into lines, each said once: for outputs that cannot be rewritten. */
export class FlowLines {
  readonly #said = new Set<string>()
  #blocked: string | null = null
  #status = ''

  /** The lines that are new in this picture. */
  next(live: LiveView): string[] {
    const lines: string[] = []
    const { deployment } = live
    if (this.#status !== deployment.status && deployment.status === 'reverting') lines.push(`! ${deployment.message}`, '  going back to what was there before')
    if (this.#status !== deployment.status && deployment.status === 'paused') {
      this.#status = deployment.status
      this.#blocked = reasonOf(deployment.blocked)
      return [...lines, `? ${deployment.blocked ?? 'paused'}`]
    }
    this.#status = deployment.status
    for (const step of live.steps) {
      if (step.status === 'intended' || this.#said.has(step.id)) continue
      this.#said.add(step.id)
      lines.push(stepLine(step))
    }
    const blocked = reasonOf(deployment.blocked)
    // What passes within a moment is not worth a line.
    const lasting = deployment.status === 'queued' || live.steps.some((step) => step.status === 'intended' && step.seconds >= 2)
    if (!lasting) return lines
    if (blocked !== null && blocked !== this.#blocked) lines.push(`… ${deployment.blocked}`)
    this.#blocked = blocked
    return lines
  }
}

/** A reason without its running numbers: "3 s of 60 s" is no news every second. */
function reasonOf(blocked: string | null): string | null {
  return blocked?.replace(/\d+/g, '#') ?? null
}

/** How a deployment ended, in a few lines; what a failed one saw comes with it. */
export function endLines(live: Pick<LiveView, 'deployment'>): string[] {
  const { deployment } = live
  const seconds = deployment.finishedAt === null || deployment.startedAt === null ? null : (deployment.finishedAt - deployment.startedAt) / 1000
  const time = seconds === null ? '' : ` in ${seconds.toFixed(1)} s`
  if (deployment.status === 'succeeded')
    return [`${deployment.verb} ${deployment.id} succeeded${time}${deployment.release === null ? '' : `: ${deployment.release} (${deployment.origin})`}`]
  const lines = [`${deployment.verb} ${deployment.id} ${deployment.status}${time}: ${deployment.message}`]
  const report = deployment.report
  if (!report) return lines
  if (report.hint) lines.push(`  hint: ${report.hint}`)
  if (report.lastProbe) lines.push(`  last probe: ${report.lastProbe}`)
  if (report.exitCode !== null) lines.push(`  exit code: ${report.exitCode}${report.oomKilled ? ' (killed: out of memory)' : ''}`)
  if (report.logLines.length > 0)
    lines.push(
      report.logLines.length === 1 ? '  its last log line:' : `  its last ${report.logLines.length} log lines:`,
      ...report.logLines.map((line) => `  | ${line}`),
    )
  return lines
}

/** A build's steps, tests and end as lines: how long each step took, and what an earlier build left. */
export function buildLines(build: BuildView): string[] {
  return [...build.steps.map(buildStepLine), ...testLines(build.tests), buildEnd(build)]
}

function buildStepLine(step: BuildView['steps'][number]): string {
  const mark = step.state === 'running' ? '…' : step.state === 'done' ? '✓' : '✗'
  return `  ${mark} ${step.name.slice(0, 60).padEnd(32)} ${`${step.seconds.toFixed(1)} s`.padStart(7)}${step.cached ? '  from cache' : ''}`
}

/** Turns pictures of a build into lines, each said once: its place in the queue, steps as they end, tests, its end. */
export class BuildFlow {
  #steps = 0
  #ahead: number | null = null

  next(build: BuildView): string[] {
    const lines: string[] = []
    if (build.status === 'queued' && build.ahead > 0 && build.ahead !== this.#ahead) lines.push(buildEnd(build))
    this.#ahead = build.ahead
    for (const step of build.steps.slice(this.#steps)) {
      if (step.state === 'running') break
      this.#steps++
      lines.push(buildStepLine(step))
    }
    if (build.finishedAt !== null) lines.push(...testLines(build.tests), buildEnd(build))
    return lines
  }
}

function testLines(tests: BuildView['tests']): string[] {
  if (tests === null) return []
  const passed = tests.total - tests.failed - tests.skipped
  const skipped = tests.skipped === 0 ? '' : `, ${tests.skipped} skipped`
  const failures = tests.failures.flatMap((one) => [
    `  ✗ ${one.name}`,
    ...one.message
      .split('\n')
      .slice(0, 5)
      .map((line) => `    ${line}`),
  ])
  return [`tests: ${passed} passed, ${tests.failed} failed${skipped} in ${tests.seconds.toFixed(1)} s`, ...failures]
}

function buildEnd(build: BuildView): string {
  const seconds = build.startedAt === null || build.finishedAt === null ? '' : ` in ${((build.finishedAt - build.startedAt) / 1000).toFixed(1)} s`
  if (build.status === 'queued')
    return `build ${build.id} queued${build.ahead === 0 ? '' : `: ${build.ahead} ${build.ahead === 1 ? 'build' : 'builds'} before it`}`
  // How it was built stands at the top of its log.
  const why = build.status === 'succeeded' && build.purpose === 'deploy' && build.reused === null ? '' : build.message
  return `build ${build.id} ${build.status}${seconds}${why === '' ? '' : `: ${why}`}`
}

/** A release that is watched, in one line: `for 80 s more: 1204 requests, 0 failed (r11: 2 of 5210)`. */
export function watchText(watch: z.output<typeof Watch>): string {
  const before = watch.before === null ? '' : ` (${watch.before.release}: ${watch.before.sample.failures} of ${watch.before.sample.requests})`
  if (watch.worse !== null) return watch.worse
  return `for ${watch.secondsLeft} s more: ${watch.sample.failures} of ${watch.sample.requests} requests failed${before}`
}
