// The bound of every wait: a deployment whose remaining plan does not shrink for longer than its steps may wait is ended.
import type { Context } from '../context.ts'
import type { Batch, Plan } from '../deployment/step.ts'
import { LONGEST_COMMAND_MS } from '../one-off/one-off.ts'
import { Budgets } from './budget.ts'
import type { Snapshot } from './snapshot.ts'

/** So long a deployment waits for an engine or an edge that does not answer, before it fails. */
export const LONGEST_OUTAGE_MS = 15 * 60_000
/** Longer than the pause between two tries and the deadline of one. */
const MOST_BETWEEN_PASSES_MS = 45_000
/** `drain.at_deadline: wait` ends here too: the edge closes silent tunnels after the same time. */
export const LONGEST_DRAIN_MS = 24 * 3_600_000

/**
 * How long deployments have stood where they are. Progress is a list of remaining steps that was not seen before, so that steps
 * which succeed and are planned again, over and over, are none. In memory only: a server that starts anew counts anew.
 */
export class Progress {
  readonly #budgets: Budgets
  readonly #seen = new Map<string, Set<string>>()

  constructor(context: Pick<Context, 'clock'>) {
    this.#budgets = new Budgets(context, MOST_BETWEEN_PASSES_MS)
  }

  /** Milliseconds since the last progress of what is done with the environment. */
  idleMs(snapshot: Snapshot, plan: Plan): number {
    const { environment, active, direction } = snapshot
    const key = `${environment.id}/${active?.id ?? 'keep'}/${direction}`
    for (const other of this.#seen.keys()) if (other !== key && other.startsWith(`${environment.id}/`)) this.#forget(other)
    if (active === null && plan.batches.length === 0) {
      // All is as wished: what is repaired next is another matter.
      this.#forget(key)
      return 0
    }
    const rest = JSON.stringify(plan.batches.map(({ lanes }) => lanes.map((lane) => lane.map((step) => step.key))))
    const seen = this.#seen.get(key) ?? new Set()
    if (!seen.has(rest)) this.#budgets.forget(key)
    this.#seen.set(key, seen.add(rest))
    return this.#budgets.use(key, 0)
  }

  #forget(key: string): void {
    this.#seen.delete(key)
    this.#budgets.forget(key)
  }
}

/** How long a deployment may stand before these steps: their own bounds, and an outage of what they wait for. */
export function longestWaitMs(snapshot: Snapshot, batch: Batch | undefined): number {
  const kinds = new Set(batch?.lanes.flatMap((lane) => lane.slice(0, 1).map((step) => step.kind)))
  const specs = [...snapshot.releases.values()].map(({ runSpec }) => runSpec)
  const drains = specs.map(({ drain }) => (drain.atDeadline === 'wait' ? LONGEST_DRAIN_MS : drain.deadlineMs))
  const { strategy } = snapshot.active ?? {}
  const own = Math.max(
    0,
    ...(kinds.has('start') ? specs.map(({ health }) => health.startDeadlineMs) : []),
    ...(kinds.has('stop-traffic') ? drains : []),
    ...(kinds.has('stop') ? specs.map(({ stopGraceMs }) => stopGraceMs) : []),
    kinds.has('release-command') ? LONGEST_COMMAND_MS : 0,
    kinds.has('soak') && strategy?.kind === 'canary' ? strategy.soakMs : 0,
  )
  return own + LONGEST_OUTAGE_MS
}
