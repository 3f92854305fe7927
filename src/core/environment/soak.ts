// The steps of a canary: a share of the requests, and what it shows.

import { judge } from '../instance/analysis.ts'
import type { Instance } from '../instance/instance.ts'
import { NOTHING, type Sample, together } from '../instance/reading.ts'
import { releaseName } from '../release/release.ts'
import { type ActionInput, confirmed, intent, type Outcome, route, toConfirm } from './action.ts'
import { count } from './count.ts'
import { tokenOf } from './hold.ts'
import { journalKey } from './journal.ts'

const LOOK_MS = 1_000

/** shift traffic: the other arm gets this share of the requests; 0 takes it back. */
export async function shiftTraffic(input: ActionInput): Promise<Outcome> {
  const { snapshot, step } = input
  const { active, environment } = snapshot
  const percent = step.percent ?? 0
  if ((environment.share?.percent ?? 0) === percent) return confirmed(input, { percent })
  const strategy = active?.strategy
  if (percent > 0 && strategy?.kind !== 'canary') return { kind: 'passed' }
  const share = strategy?.kind === 'canary' && percent > 0 ? { percent, sticky: strategy.sticky, salt: tokenOf(active?.id ?? '') } : null
  await intent(input, async (tx) => void (await route(tx, snapshot, { share })))
  return toConfirm({ percent })
}

/** soak: for as long as the strategy says, what the edge counts of the new set is compared with the old one beside it. */
export async function soak(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step, budgetMs } = input
  const strategy = snapshot.active?.strategy
  if (strategy?.kind !== 'canary') return { kind: 'passed' }
  const percent = step.percent ?? 0
  const isOpen = snapshot.openSteps.some((record) => record.key === journalKey(snapshot, step))
  const instances = await count(context, snapshot.instances, isOpen ? 'on' : 'anew')
  await intent(input)
  const fresh = sampleOf(instances.filter((instance) => instance.set === snapshot.wish.set))
  const old = sampleOf(instances.filter((instance) => instance.set !== snapshot.wish.set && instance.arm === snapshot.environment.liveArm))
  const numbers = { percent, ...numbersOf(fresh), oldRequests: old.requests, oldFailures: old.failures, oldAnswerMs: old.answerMs }
  const verdict = judge({ fresh, old, leastRequests: strategy.leastRequests, isOver: budgetMs >= strategy.soakMs })
  const name = snapshot.release ? releaseName(snapshot.release) : 'it'
  switch (verdict.kind) {
    case 'good':
      return { kind: 'passed', numbers }
    case 'watching':
      return {
        kind: 'waiting',
        for: `what ${percent} % of the requests show (${Math.round(budgetMs / 1000)} s of ${strategy.soakMs / 1000} s)`,
        numbers,
        afterMs: LOOK_MS,
      }
    case 'unknown':
      return { kind: 'asks', message: `${name} got ${percent} % of the requests for ${strategy.soakMs / 1000} s: ${verdict.why}`, numbers }
    case 'worse':
      if (snapshot.release?.runSpec.rollback === 'forbidden')
        return { kind: 'asks', message: `${name} at ${percent} % answers worse (${verdict.why}), and forbids that anything goes back by itself`, numbers }
      return { kind: 'failed', cause: 'answers_worse', message: `${name} at ${percent} % answers worse: ${verdict.why}`, numbers }
  }
}

/** What was counted of these instances together. */
export function sampleOf(instances: readonly Instance[]): Sample {
  return together(instances.map((instance) => instance.counted?.sample ?? NOTHING))
}

/** A sample as the numbers of a step. */
export function numbersOf({ requests, failures, answerMs }: Sample): { readonly requests: number; readonly failures: number; readonly answerMs: number } {
  return { requests, failures, answerMs }
}
