// A branch moves when the deployment of its push has succeeded: whoever pushed may have left, and the server may have been away.

import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { isBuildFinished } from '../build/build.ts'
import type { Source } from '../build/source.ts'
import type { Context } from '../context.ts'
import { isDeploymentFinished } from '../deployment/deployment.ts'
import type { Push } from './push.ts'

type Settling = Pick<Context, 'store' | 'clock'>

/** Settles every push whose end is known, oldest first. One pass at a time: the order is what makes the newest win. */
export async function settlePushes(context: Settling, source: Pick<Source, 'setRef'>): Promise<PassResult> {
  const open = await context.store.read.pushes.list(EVERYTHING, { where: { settledAt: null }, orderBy: 'number' })
  for (const push of open) {
    const end = await endOf(context, push)
    if (end !== null) await settle(context, source, { push, moves: end === 'live' && !(await isOvertaken(context, push)) })
  }
  return {}
}

/** null: on its way. */
async function endOf(context: Settling, push: Push): Promise<'live' | 'nothing' | null> {
  const { read } = context.store
  const build = push.buildId === null ? null : await read.builds.get(EVERYTHING, push.buildId)
  const deploymentId = push.deploymentId ?? build?.deploymentId ?? null
  if (deploymentId === null) return build === null || isBuildFinished(build) ? 'nothing' : null
  const deployment = await read.deployments.get(EVERYTHING, deploymentId)
  if (!isDeploymentFinished(deployment)) return null
  const app = await read.apps.get(EVERYTHING, push.appId)
  return deployment.status === 'succeeded' && app.removedAt === null ? 'live' : 'nothing'
}

/** A newer push of the same ref is live already: the branch must not go back. */
async function isOvertaken(context: Settling, push: Push): Promise<boolean> {
  const others = await context.store.read.pushes.list(EVERYTHING, {
    where: { appId: push.appId, ref: push.ref },
    orderBy: 'number',
    descending: true,
    limit: 50,
  })
  const ends = await Promise.all(others.filter((other) => other.number > push.number).map((other) => endOf(context, other)))
  return ends.includes('live')
}

/** The ref first, then the record: asked twice it does the same. */
async function settle(context: Settling, source: Pick<Source, 'setRef'>, what: { readonly push: Push; readonly moves: boolean }): Promise<void> {
  const { push, moves } = what
  const app = await context.store.read.apps.get(EVERYTHING, push.appId)
  if (moves) await source.setRef(app.name, push.ref, push.commitId)
  await context.store.transaction(async (tx) => {
    await tx.pushes.set(String(push.number), { settledAt: context.clock.now() })
    if (!moves) return
    await tx.record({
      kind: 'branch.moved',
      actor: push.actor,
      projectId: push.projectId,
      appId: push.appId,
      environmentId: push.environmentId,
      subject: String(push.number),
      data: { ref: push.ref, commit: push.commitId },
    })
  })
}
