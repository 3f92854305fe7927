// Outcomes -> report, and report -> text. Pure.
import { KINDS, type Kind, type Outcome, type Report, type StepReport, type Tally } from './types.ts'

export interface Step {
  readonly name: string
  readonly seconds: number
}

export function reportOf(outcomes: readonly Outcome[], steps: readonly Step[]): Report {
  const stepReports = steps.map((step, index): StepReport => ({ ...step, kinds: tallies(outcomes.filter((outcome) => outcome.step === index)) }))
  return {
    sent: outcomes.length,
    failed: outcomes.filter((outcome) => outcome.reason !== null).length,
    latestStartMs: Math.max(0, ...outcomes.map((outcome) => outcome.lateMs)),
    kinds: tallies(outcomes),
    steps: stepReports,
  }
}

function tallies(outcomes: readonly Outcome[]): Partial<Record<Kind, Tally>> {
  const byKind: Partial<Record<Kind, Tally>> = {}
  for (const kind of KINDS) {
    const ofKind = outcomes.filter((outcome) => outcome.kind === kind)
    if (ofKind.length > 0) byKind[kind] = tally(ofKind)
  }
  return byKind
}

function tally(outcomes: readonly Outcome[]): Tally {
  const reasons: Record<string, number> = {}
  for (const { reason } of outcomes) if (reason !== null) reasons[reason] = (reasons[reason] ?? 0) + 1
  const times = outcomes.map((outcome) => outcome.ms).toSorted((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return { sent: outcomes.length, failed: outcomes.filter((outcome) => outcome.reason !== null).length, reasons, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** A table for people: a line for each step and kind, the reasons of failures below it. */
export function formatReport(report: Report): string {
  const lines = [`${report.sent} requests, ${report.failed} failed (generator late by at most ${report.latestStartMs.toFixed(0)} ms)`]
  for (const step of [...report.steps, { name: 'all', seconds: report.steps.reduce((sum, { seconds }) => sum + seconds, 0), kinds: report.kinds }]) {
    lines.push(`${step.name} (${step.seconds.toFixed(1)} s)`)
    for (const kind of KINDS) {
      const found = step.kinds[kind]
      if (!found) continue
      const times = `p50 ${found.p50.toFixed(1)}  p99 ${found.p99.toFixed(1)}  max ${found.max.toFixed(1)} ms`
      lines.push(`  ${kind.padEnd(10)}${String(found.sent).padStart(7)} sent${String(found.failed).padStart(6)} failed  ${times}`)
      for (const [reason, count] of Object.entries(found.reasons)) lines.push(`${' '.repeat(12)}${count} x ${reason}`)
    }
  }
  return lines.join('\n')
}
