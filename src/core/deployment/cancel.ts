import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { type Deployment, isDeploymentFinished, moveDeployment } from './deployment.ts'
import { recordDeployment } from './open.ts'

/**
 * Ends a deployment: a queued one at once, a running one by going back to what was there. Asking twice, or for a finished
 * one, changes nothing.
 */
export function cancelDeployment(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly id: string }): Promise<Deployment> {
  return context.store.transaction(async (tx) => {
    const deployment = await tx.deployments.get({ projectId: input.actor.projectId }, input.id)
    if (isDeploymentFinished(deployment) || deployment.status === 'reverting' || deployment.cancelRequested) return deployment
    const environment = await tx.environments.get({ projectId: deployment.projectId }, deployment.environmentId)
    if (deployment.status === 'queued') {
      const cancelled = moveDeployment(deployment, {
        status: 'cancelled',
        cause: 'requested',
        message: `cancelled by ${input.actor.name}`,
        blocked: null,
        finishedAt: context.clock.now(),
      })
      const saved = await tx.deployments.save(deployment, cancelled)
      await recordDeployment(tx, saved, { environment, actor: input.actor.name })
      return saved
    }
    const saved = await tx.deployments.save(deployment, { ...deployment, cancelRequested: true })
    await tx.record({
      kind: 'deployment.cancel_requested',
      actor: input.actor.name,
      projectId: saved.projectId,
      appId: environment.appId,
      environmentId: environment.id,
      subject: saved.id,
    })
    return saved
  })
}
