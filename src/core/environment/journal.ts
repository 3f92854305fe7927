import { failpoint } from '../../lib/failpoint.ts'
import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { Context } from '../context.ts'
import type { Plan, Step, StepNumbers, StepRecord } from '../deployment/step.ts'
import type { Snapshot } from './snapshot.ts'

/** How the journal names an instance's step: unique per deployment. */
export function journalKey(snapshot: Snapshot, step: Step): string {
  return `${snapshot.active?.id ?? 'keep'}/${snapshot.direction}/${step.key}`
}

/** The name of an instance: made of where it belongs, so that making it twice finds the first. */
export function instanceName(snapshot: Snapshot, installation: string, place: { readonly set: number; readonly ordinal: number }): string {
  return `lockgate-${installation}-${snapshot.app.name}--${snapshot.environment.name}-${place.set}-${place.ordinal}`
}

/** Writes the intent of a step: before its effect, in the transaction of the wish that goes with it. */
export async function intend(
  tx: Tx,
  input: { readonly snapshot: Snapshot; readonly step: Step; readonly instance: string | null; readonly now: number },
): Promise<StepRecord> {
  const { snapshot, step } = input
  const { environment } = snapshot
  return tx.steps.insert({
    id: newId('st'),
    projectId: environment.projectId,
    environmentId: environment.id,
    deploymentId: snapshot.active?.id ?? null,
    seq: await tx.steps.next('seq', { environmentId: environment.id }),
    key: journalKey(snapshot, step),
    kind: step.kind,
    instance: input.instance,
    status: 'intended',
    budgetUsedMs: 0,
    numbers: {},
    waiting: null,
    startedAt: input.now,
    finishedAt: null,
  })
}

/** Writes the result of a step, and tells it. */
export async function conclude(
  tx: Tx,
  record: StepRecord,
  result: { readonly status: 'done' | 'failed' | 'dropped'; readonly numbers?: StepNumbers; readonly now: number },
): Promise<void> {
  await tx.steps.set(record.id, { status: result.status, numbers: { ...record.numbers, ...result.numbers }, waiting: null, finishedAt: result.now })
}

/**
 * Open intents that the plan no longer asks for have passed: the world shows their effect. Those of another deployment or
 * direction are dropped: that deployment has ended or turned round. Gives those that are still planned.
 */
export async function settle(context: Pick<Context, 'store' | 'clock'>, snapshot: Snapshot, plan: Plan): Promise<readonly StepRecord[]> {
  const planned = new Set(plan.batches.flatMap((batch) => batch.lanes.flat()).map((step) => journalKey(snapshot, step)))
  const prefix = `${snapshot.active?.id ?? 'keep'}/${snapshot.direction}/`
  const passed = snapshot.openSteps.filter((record) => !planned.has(record.key))
  const open = snapshot.openSteps.filter((record) => planned.has(record.key))
  if (passed.length === 0) return open
  const now = context.clock.now()
  for (const record of passed) failpoint(`${record.kind}.before-result`)
  await context.store.transaction(async (tx) => {
    for (const record of passed) await conclude(tx, record, { status: record.key.startsWith(prefix) ? 'done' : 'dropped', now, ...drained(record) })
  })
  for (const record of passed) failpoint(`${record.kind}.after-result`)
  return open
}

/** Nothing is planned any more for an instance whose requests were counted: the last of them has ended. */
function drained(record: StepRecord): { readonly numbers?: StepNumbers } {
  return record.kind === 'stop-traffic' && record.numbers.inFlight !== undefined ? { numbers: { inFlight: record.numbers.left ?? 0 } } : {}
}
