import { NotFoundError } from '../../lib/errors.ts'
import type { Tx } from '../../store/types.ts'
import type { Actor, Scope } from '../actor/actor.ts'
import { move } from '../build/record.ts'
import type { Context } from '../context.ts'
import { requestCancel } from '../deployment/cancel.ts'
import { openDeployment } from '../deployment/open.ts'
import type { Environment } from '../environment/environment.ts'
import { requestEnd } from '../one-off/open.ts'
import type { App, AppName } from './app.ts'

/** The app of that name; what cannot be one names none. Throws NotFoundError `app.not_found`, also when it is of another project. */
export async function findApp(read: Pick<Context['store']['read'], 'apps'>, scope: Scope, name: string): Promise<App> {
  const apps = await read.apps.list(scope, { where: { name: name as AppName, goneAt: null }, limit: 1 })
  if (!apps[0]) throw new NotFoundError('app.not_found', `There is no app ${name}. "lockgate apps" lists those you may see.`)
  return apps[0]
}

/**
 * Removes an app: its hostnames at once, its instances by a stop in the ordered flow, then its networks and records.
 * Asking twice is asking once.
 */
export async function removeApp(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly app: App }): Promise<App> {
  const now = context.clock.now()
  return context.store.transaction(async (tx) => {
    const app = await tx.apps.get({ projectId: input.app.projectId }, input.app.id)
    if (app.removedAt) return app
    for (const environment of await tx.environments.list({ projectId: app.projectId }, { where: { appId: app.id, goneAt: null } })) {
      for (const domain of await tx.domains.list({ projectId: null }, { where: { environmentId: environment.id } }))
        await tx.removeDomain(domain.host, domain.path)
      const generation = await tx.nextEdgeGeneration()
      const removed = await tx.environments.save(environment, { ...environment, removedAt: now, routeGeneration: generation })
      await endWork(tx, environment, { actor: input.actor, now })
      await openDeployment(tx, { environment: removed, verb: 'stop', request: { releaseId: null, count: null }, actor: input.actor, now, buildId: null })
    }
    for (const build of await tx.builds.list({ projectId: null }, { where: { appId: app.id, status: ['queued', 'running'] } })) {
      await move(tx, build, { status: 'cancelled', cause: 'requested', message: `${app.name} is being removed`, finishedAt: now })
    }
    const removed = await tx.apps.save(app, { ...app, removedAt: now })
    await tx.record({ kind: 'app.removed', actor: input.actor, projectId: app.projectId, appId: app.id, subject: app.id, data: { name: app.name } })
    return removed
  })
}

/** What is on its way there ends: it would only be stopped again. */
async function endWork(tx: Tx, environment: Environment, by: { readonly actor: Actor; readonly now: number }): Promise<void> {
  const where = { environmentId: environment.id, status: ['queued', 'running'] as const }
  for (const oneOff of await tx.oneOffs.list({ projectId: null }, { where })) await requestEnd(tx, oneOff, by)
  for (const deployment of await tx.deployments.list({ projectId: null }, { where })) await requestCancel(tx, deployment, by)
}
