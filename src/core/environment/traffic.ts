// The steps that move traffic: what the edge confirms is what counts, never what it was asked.
import { failpoint } from '../../lib/failpoint.ts'
import type { StepNumbers } from '../deployment/step.ts'
import { labelOf } from '../instance/instance.ts'
import { type ActionInput, confirmed, intent, locate, type Outcome, route, toConfirm } from './action.ts'
import { specOf } from './actions.ts'
import { LONGEST_DRAIN_MS } from './progress.ts'

/** So long the edge may take to end the requests it was told to cut. */
const CUT_GRACE_MS = 2_000

/** resume traffic: the edge names it ready in the live arm, and has confirmed that. */
export async function resumeTraffic(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step } = input
  const found = locate(input)
  if (!found) return { kind: 'waiting', for: 'its container to be there', afterMs: 100 }
  const { instance, release } = found
  const arm = step.arm ?? instance.arm
  if (instance.traffic !== 'in' || instance.arm !== arm) {
    // From here on the engine brings it back by itself when it crashes, also while no server runs. First: once the row says that
    // it is in traffic nobody comes by here again.
    if (!instance.proven) await context.runtime.ensure(await specOf(input, instance, { release, key: found.observed.key, keepAlive: true }))
    await intent(input, async (tx) => {
      await tx.instances.save(instance, { ...instance, traffic: 'in', arm, proven: true, counted: null })
      await route(tx, snapshot)
    })
    failpoint('resume-traffic.row-written')
    return toConfirm()
  }
  return confirmed(input)
}

/** One switch moves the traffic of the environment to the other arm. */
export async function switchArms(input: ActionInput): Promise<Outcome> {
  const { snapshot, step } = input
  const { environment } = snapshot
  const arm = step.arm ?? environment.liveArm
  if (environment.liveArm !== arm) {
    await intent(input, async (tx) => {
      // All of it now: the share ends with the same generation.
      await route(tx, snapshot, { liveArm: arm, share: null })
    })
    return toConfirm()
  }
  return confirmed(input)
}

/** stop traffic: new requests go elsewhere, confirmed by the edge, and what was in flight has come to its end. */
export async function stopTraffic(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, senses, budgetMs } = input
  const found = locate(input, true)
  if (!found) return { kind: 'passed' }
  const { instance, release } = found
  if (instance.traffic === 'in') {
    await intent(input, async (tx) => {
      await tx.instances.save(instance, { ...instance, traffic: 'out' })
      await route(tx, snapshot)
    })
    return toConfirm()
  }
  const record = await intent(input)
  if (senses.confirmedGeneration < snapshot.environment.routeGeneration) return toConfirm()
  const inFlight = senses.inFlight.get(instance.name)
  if (inFlight === undefined) return { kind: 'waiting', for: 'the edge to say how many requests are in flight', afterMs: 250 }
  const numbers: StepNumbers = { inFlightAtStart: record.numbers.inFlightAtStart ?? inFlight, inFlight, generation: snapshot.environment.routeGeneration }
  if (inFlight === 0) return { kind: 'passed', numbers }
  const drain = release.runSpec.drain
  const deadlineMs = drain.atDeadline === 'wait' ? LONGEST_DRAIN_MS : drain.deadlineMs
  if (budgetMs < deadlineMs) {
    const bound = drain.atDeadline === 'wait' ? 'as long as they take, 24 h at most' : `${Math.round(budgetMs / 1000)} s of ${drain.deadlineMs / 1000} s`
    return { kind: 'waiting', for: `${inFlight} ${inFlight === 1 ? 'request' : 'requests'} in flight (${bound})`, numbers, afterMs: 50 }
  }
  if (drain.atDeadline === 'abort' && snapshot.direction === 'forward') {
    return {
      kind: 'failed',
      cause: 'drain_deadline',
      message: `${inFlight} requests to ${labelOf(instance)} were still in flight after ${drain.deadlineMs / 1000} s, and the app wants the deployment given up then (drain.at_deadline: abort)`,
    }
  }
  // Counted once: nothing new comes, and what did not end the first time is told again.
  const count = await context.edge.cut(instance.name)
  const cut = record.numbers.cut ?? count
  // An edge may be unable to cut a connection (HAProxy 2.6: one whose visitor has closed its side). It ends with the instance.
  const left = budgetMs < deadlineMs + CUT_GRACE_MS ? {} : { left: inFlight }
  return { kind: 'waiting', for: 'the requests that were cut to be gone', numbers: { ...numbers, cut, ...left }, afterMs: 50 }
}
