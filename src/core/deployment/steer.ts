// How a deployment moves through its states: begun, blocked, turned round, superseded, finished. The reconciler calls these.

import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { instanceName } from '../environment/journal.ts'
import type { Snapshot } from '../environment/snapshot.ts'
import { watchAfter, watchAgain } from '../environment/watch.ts'
import type { Prober } from '../instance/probe.ts'
import { releaseName } from '../release/release.ts'
import { ACTIVE_STATUSES, type Deployment, type DeploymentCause, type DeploymentMove, moveDeployment } from './deployment.ts'
import { inputsOf, recordDeployment, waitsFor } from './open.ts'
import { reportFailure } from './report.ts'
import { pinRelease, unpinAfter } from './rollback.ts'
import type { Plan, Step, StepKind, StepRecord } from './step.ts'

const AT_ONCE: PassResult = { afterMs: 0 }

/** The oldest queued deployment begins: its inputs are frozen now. */
export async function beginNext(context: Pick<Context, 'store' | 'clock'>, snapshot: Snapshot): Promise<PassResult> {
  const next = snapshot.queued[0]
  if (next) await context.store.transaction((tx) => begin(tx, { snapshot, next, now: context.clock.now() }))
  return AT_ONCE
}

type Tx = Parameters<Parameters<Context['store']['transaction']>[0]>[0]

async function begin(tx: Tx, input: { readonly snapshot: Snapshot; readonly next: Deployment; readonly now: number }): Promise<void> {
  const environment = await tx.environments.get(EVERYTHING, input.snapshot.environment.id)
  const queued = await tx.deployments.get(EVERYTHING, input.next.id)
  const frozen = { ...queued, ...inputsOf(environment, queued) }
  const running = await tx.deployments.save(queued, moveDeployment(frozen, { status: 'running', cause: 'requested', blocked: null, startedAt: input.now }))
  await recordDeployment(tx, running, { environment, actor: running.actor })
  // The watch goes on over a restart, a scale and a stop: the release is the same.
  if (environment.watch !== null && running.wish.releaseId !== environment.wish.releaseId)
    await tx.environments.save(environment, { ...environment, watch: null })
  for (const other of await tx.deployments.list(EVERYTHING, { where: { environmentId: environment.id, status: 'queued' } })) {
    await tx.deployments.save(other, { ...other, blocked: waitsFor(running) })
  }
}

/** Writes why the active deployment waits, or the one that would begin now; null: it moves. */
export async function block(context: Pick<Context, 'store'>, environmentId: string, blocked: string | null): Promise<void> {
  const open = await context.store.read.deployments.list(EVERYTHING, { where: { environmentId, status: ['queued', ...ACTIVE_STATUSES] }, orderBy: 'number' })
  const active = open.find((one) => one.status !== 'queued')
  const waiting = active ?? open[0]
  if (!waiting || waiting.status === 'paused' || waiting.blocked === blocked) return
  await context.store.transaction((tx) => tx.deployments.save(waiting, { ...waiting, blocked }))
}

/** Steps before which nothing is half done: before anything moved, between two batches, while a share is watched. */
const SAFE: readonly StepKind[] = ['check', 'update', 'hold', 'shift-traffic', 'soak', 'switch']

function isAtSafePoint(plan: Plan): boolean {
  return plan.batches[0]?.lanes.every((lane) => lane[0] !== undefined && SAFE.includes(lane[0].kind)) ?? false
}

/**
 * Whether a newer queued deployment may take over now: the running one is of the same kind and stands at a safe point,
 * never between stop traffic and resume traffic.
 */
export function supersedable(snapshot: Snapshot, plan: Plan): boolean {
  const { active, queued, openSteps, direction } = snapshot
  // Watching can be left at any time; everything else that was begun is brought to its end.
  if (!active || direction !== 'forward' || openSteps.some((step) => step.kind !== 'soak')) return false
  const brings = (deployment: Deployment): boolean => deployment.verb === 'deploy' || deployment.verb === 'rollback'
  return brings(active) && queued.some(brings) && plan.batches[0]?.lanes[0]?.[0]?.kind !== 'switch' && isAtSafePoint(plan)
}

/** Whether a person's wish to let it stand can be met now. `open`: intents without a result that are still planned. */
export function pausable(snapshot: Snapshot, plan: Plan, open: readonly StepRecord[]): boolean {
  const { active, direction } = snapshot
  if (!active?.pauseRequested || active.status !== 'running' || direction !== 'forward') return false
  return open.every((step) => step.kind === 'soak') && isAtSafePoint(plan)
}

/** The running deployment ends where it is, and the newest queued one begins in the same transaction: nothing goes back in between. */
export async function supersedeActive(context: Pick<Context, 'store' | 'clock'>, snapshot: Snapshot): Promise<PassResult> {
  const { active, queued } = snapshot
  const next = queued.findLast((one) => one.verb === 'deploy' || one.verb === 'rollback')
  if (!active || !next) return AT_ONCE
  const now = context.clock.now()
  await context.store.transaction(async (tx) => {
    const move: DeploymentMove = { status: 'superseded', cause: 'newer_deployment', message: `${next.id} takes its place`, blocked: null, finishedAt: now }
    const ended = await tx.deployments.save(active, moveDeployment(active, move))
    await recordDeployment(tx, ended, { environment: snapshot.environment, actor: next.actor })
    await begin(tx, { snapshot, next, now })
  })
  return AT_ONCE
}

export interface TurnRound {
  readonly cause: DeploymentCause
  readonly message: string
  /** The step that failed, for the report; null: a person asked. */
  readonly failed: Step | null
  readonly probe?: Pick<Prober, 'result'>
}

/** The deployment goes back: from now on the plan leads to what was there before it. */
export async function revert(context: Context, snapshot: Snapshot, turn: TurnRound): Promise<PassResult> {
  const { active } = snapshot
  if (!active) return AT_ONCE
  const name = turn.failed && turn.failed.ordinal >= 0 ? instanceName(snapshot, context.store.installation, turn.failed) : null
  const report = name === null ? null : await reportFailure(context, { name, snapshot, lastProbe: turn.probe?.result(name).lastAnswer ?? null })
  await context.store.transaction(async (tx) => {
    const move: DeploymentMove = { status: 'reverting', cause: turn.cause, message: turn.message, blocked: null, ...(report ? { report } : {}) }
    const reverting = await tx.deployments.save(active, moveDeployment(active, move))
    if (turn.cause === 'answers_worse') await pinWorse(tx, { snapshot, now: context.clock.now() })
    await recordDeployment(tx, reverting, { environment: snapshot.environment, actor: turn.cause === 'requested' ? active.actor : PLATFORM })
  })
  return AT_ONCE
}

/** What was found worse is not deployed again by itself. */
async function pinWorse(tx: Tx, at: { readonly snapshot: Snapshot; readonly now: number }): Promise<void> {
  const { active, environment, release } = at.snapshot
  if (!active || !release || active.previous.releaseId === null) return
  await tx.releases.set(release.id, { fault: active.message })
  const to = await tx.releases.get(EVERYTHING, active.previous.releaseId)
  await pinRelease(tx, { environment, from: release, to, now: at.now, reason: `${releaseName(release)} answered worse than ${releaseName(to)}` })
}

/** The world is as the deployment wants it: succeeded; or as it was before: failed or cancelled. */
export async function finish(context: Pick<Context, 'store' | 'clock'>, snapshot: Snapshot, remark?: string): Promise<PassResult> {
  const { active, environment } = snapshot
  if (!active) return AT_ONCE
  const now = context.clock.now()
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    const saved = await tx.deployments.save(active, moveDeployment(active, ending(active, { now, remark })))
    if (saved.status === 'succeeded') {
      const watch = await watchAfter(tx, { environment: current, deployment: active })
      await tx.environments.save(current, { ...current, wish: active.wish, watch })
      await noteLive(tx, { deployment: active, isWatched: watch !== null, now })
    } else {
      await unpinAfter(tx, saved)
      const watch = await watchAgain(tx, { environment: current, deployment: active })
      if (watch !== current.watch) await tx.environments.save(current, { ...current, watch })
    }
    await recordDeployment(tx, saved, { environment: current, actor: PLATFORM })
  })
  return AT_ONCE
}

/** The release served now. It is proven when its observation window has passed, or at once where there is none. */
async function noteLive(tx: Tx, by: { readonly deployment: Deployment; readonly isWatched: boolean; readonly now: number }): Promise<void> {
  const { wish } = by.deployment
  if (wish.releaseId === null || !wish.running) return
  const release = await tx.releases.get(EVERYTHING, wish.releaseId)
  const isProven = !by.isWatched && by.deployment.verb === 'deploy' && release.fault === null
  await tx.releases.set(release.id, { liveAt: release.liveAt ?? by.now, ...(isProven ? { provenAt: release.provenAt ?? by.now } : {}) })
}

/**
 * Ends what waits for a system that has been away for too long, wherever it stands: nothing can be taken back now. The wish is
 * as it was before, and is brought about when that system is there again.
 */
export async function giveUp(context: Pick<Context, 'store' | 'clock'>, environmentId: string, why: string): Promise<void> {
  await context.store.transaction(async (tx) => {
    const active = (await tx.deployments.list(EVERYTHING, { where: { environmentId, status: ['running', 'reverting'] }, limit: 1 }))[0]
    if (!active) return
    const environment = await tx.environments.get(EVERYTHING, environmentId)
    const turned = active.status === 'reverting' ? active : moveDeployment(active, { status: 'reverting', cause: 'unavailable', message: why })
    const remark = active.status === 'reverting' ? why : 'Lockgate brings back what was there when it can'
    const saved = await tx.deployments.save(active, moveDeployment(turned, ending(turned, { now: context.clock.now(), remark })))
    await unpinAfter(tx, saved)
    await recordDeployment(tx, saved, { environment, actor: PLATFORM })
  })
}

function ending(active: Deployment, at: { readonly now: number; readonly remark: string | undefined }): DeploymentMove {
  const ended = { blocked: null, finishedAt: at.now }
  if (active.status !== 'reverting') return { ...ended, status: 'succeeded', cause: 'done', message: '' }
  const message = at.remark === undefined ? active.message : `${active.message}; ${at.remark}`
  return { ...ended, status: active.cancelRequested ? 'cancelled' : 'failed', cause: active.cause, message }
}
