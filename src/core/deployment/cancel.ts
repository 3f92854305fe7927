import type { Tx } from '../../store/types.ts'
import type { Actor, ActorRef } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { type Deployment, isDeploymentFinished, moveDeployment } from './deployment.ts'
import { recordDeployment } from './open.ts'
import { unpinAfter } from './rollback.ts'

/**
 * Ends a deployment: a queued one at once, a running one by going back to what was there. Asking twice, or for a finished
 * one, changes nothing.
 */
export function cancelDeployment(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly id: string }): Promise<Deployment> {
  return context.store.transaction(async (tx) => {
    const deployment = await tx.deployments.get({ projectId: input.actor.projectId }, input.id)
    return requestCancel(tx, deployment, { actor: input.actor, now: context.clock.now() })
  })
}

/** The same inside a transaction. */
export async function requestCancel(tx: Tx, deployment: Deployment, by: { readonly actor: ActorRef; readonly now: number }): Promise<Deployment> {
  if (isDeploymentFinished(deployment) || deployment.status === 'reverting' || deployment.cancelRequested) return deployment
  const environment = await tx.environments.get({ projectId: deployment.projectId }, deployment.environmentId)
  if (deployment.status === 'queued') {
    const move = { status: 'cancelled', cause: 'requested', message: `cancelled by ${by.actor.name}`, blocked: null, finishedAt: by.now } as const
    const saved = await tx.deployments.save(deployment, moveDeployment(deployment, move))
    await unpinAfter(tx, saved)
    await recordDeployment(tx, saved, { environment, actor: by.actor })
    return saved
  }
  const saved = await tx.deployments.save(deployment, { ...deployment, cancelRequested: true })
  await tx.record({
    kind: 'deployment.cancel_requested',
    actor: by.actor,
    projectId: saved.projectId,
    appId: environment.appId,
    environmentId: environment.id,
    subject: saved.id,
  })
  return saved
}
