import { ConflictError } from '../../lib/errors.ts'
import { failpoint } from '../../lib/failpoint.ts'
import type { Tx } from '../../store/types.ts'
import { type Actor, PLATFORM } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { conclude } from '../environment/journal.ts'
import type { NewEvent } from '../event/event.ts'
import { type Deployment, isDeploymentFinished, moveDeployment } from './deployment.ts'
import { recordDeployment } from './open.ts'

interface Asked {
  readonly actor: Actor
  readonly id: string
}

type Pausing = Pick<Context, 'store' | 'clock'>

/**
 * Lets a running deployment stand at the next safe point: what serves then serves on. Asking twice changes nothing. Throws
 * ConflictError `deployment.not_running`.
 */
export function pauseDeployment(context: Pausing, { actor, id }: Asked): Promise<Deployment> {
  return context.store.transaction(async (tx) => {
    const deployment = await tx.deployments.get({ projectId: actor.projectId }, id)
    if (deployment.status === 'paused' || deployment.pauseRequested) return deployment
    if (deployment.status !== 'running' || deployment.cancelRequested) throw notRunning(deployment)
    const saved = await tx.deployments.save(deployment, { ...deployment, pauseRequested: true })
    await record(tx, saved, { kind: 'deployment.pause_requested', actor })
    return saved
  })
}

/**
 * A paused deployment goes on. Where a canary asked, that is the answer: its share counts as good. Asked of one that has not
 * stood still yet, it takes the request back. Throws ConflictError `deployment.not_paused`.
 */
export async function resumeDeployment(context: Pausing, { actor, id }: Asked): Promise<Deployment> {
  failpoint('resume.before-result')
  const resumed = await context.store.transaction(async (tx) => {
    const deployment = await tx.deployments.get({ projectId: actor.projectId }, id)
    if (deployment.status === 'running' && deployment.pauseRequested) return tx.deployments.save(deployment, { ...deployment, pauseRequested: false })
    if (deployment.status !== 'paused')
      throw new ConflictError('deployment.not_paused', `${deployment.id} is ${deployment.status}; only a paused one can go on.`)
    if (deployment.cause === 'inconclusive') {
      const asking = await tx.steps.list({ projectId: deployment.projectId }, { where: { deploymentId: deployment.id, kind: 'soak', status: 'intended' } })
      for (const soak of asking) await conclude(tx, soak, { status: 'done', now: context.clock.now() })
    }
    const goesOn = moveDeployment({ ...deployment, pauseRequested: false }, { status: 'running', cause: 'requested', message: '', blocked: null })
    const saved = await tx.deployments.save(deployment, goesOn)
    await record(tx, saved, { kind: 'deployment.resumed', actor })
    return saved
  })
  failpoint('resume.after-result')
  return resumed
}

/** It stands still: asked by a person, or asking one. */
export async function standStill(
  context: Pick<Context, 'store'>,
  deployment: Deployment,
  why: { readonly cause: 'requested' | 'inconclusive'; readonly message: string },
): Promise<void> {
  failpoint('pause.before-result')
  await context.store.transaction(async (tx) => {
    const way = `"lockgate resume ${deployment.id}" goes on, "lockgate cancel ${deployment.id}" goes back`
    const move = moveDeployment({ ...deployment, pauseRequested: false }, { status: 'paused', ...why, blocked: `${why.message}; ${way}` })
    const saved = await tx.deployments.save(deployment, move)
    const environment = await tx.environments.get({ projectId: deployment.projectId }, deployment.environmentId)
    await recordDeployment(tx, saved, { environment, actor: PLATFORM })
  })
  failpoint('pause.after-result')
}

function notRunning(deployment: Deployment): ConflictError {
  const state = isDeploymentFinished(deployment) ? `has ended: ${deployment.status}` : deployment.status === 'queued' ? 'has not begun' : 'goes back already'
  return new ConflictError('deployment.not_running', `${deployment.id} ${state}; only a running one can be paused.`)
}

async function record(tx: Tx, deployment: Deployment, by: Pick<NewEvent, 'kind' | 'actor'>): Promise<void> {
  const environment = await tx.environments.get({ projectId: deployment.projectId }, deployment.environmentId)
  await tx.record({
    kind: by.kind,
    actor: by.actor,
    projectId: deployment.projectId,
    appId: environment.appId,
    environmentId: deployment.environmentId,
    subject: deployment.id,
  })
}
