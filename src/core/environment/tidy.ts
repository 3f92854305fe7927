import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import { isRecorded } from '../artifact/recorded.ts'
import { KEPT_ARTIFACTS, type Need, unneeded } from '../artifact/retention.ts'
import type { Context } from '../context.ts'
import { ACTIVE_STATUSES } from '../deployment/deployment.ts'
import type { Instance } from '../instance/instance.ts'
import type { Senses, Snapshot } from './snapshot.ts'

/** An instance that stayed ready this long after its last start is no crash loop any more. */
const STABLE_MS = 60_000
/** Gone instances are remembered for their addresses and logs, but not for ever. */
const KEPT_GONE = 60

/** What is set right while all is as wished: strangers with our label, crash counts, old records. */
export async function keepTidy(context: Pick<Context, 'store' | 'runtime' | 'clock' | 'log'>, snapshot: Snapshot, senses: Senses): Promise<void> {
  await removeStrangers(context, snapshot)
  await removeUnneeded(context, snapshot)
  for (const instance of snapshot.instances) await countCrashes(context, { snapshot, senses, instance })
  const gone = await context.store.read.instances.list(EVERYTHING, {
    where: { environmentId: snapshot.environment.id },
    orderBy: 'removedAt',
    descending: true,
  })
  const old = gone.filter((instance) => instance.removedAt !== null && instance.removedGeneration <= senses.confirmedGeneration).slice(KEPT_GONE)
  if (old.length > 0) {
    await context.store.transaction(async (tx) => {
      for (const instance of old) await tx.instances.remove(instance.name)
    })
  }
}

/** A container with our label that no record names (a restored database, a killed remove) is stopped and removed. */
async function removeStrangers(context: Pick<Context, 'runtime' | 'log'>, snapshot: Snapshot): Promise<void> {
  const known = new Set(snapshot.instances.map((instance) => instance.name))
  for (const stranger of snapshot.observed.values()) {
    if (stranger.kind !== 'instance' || known.has(stranger.name)) continue
    context.log.warn('removing a container no record names', { name: stranger.name })
    await context.runtime.stop(stranger.name)
    await context.runtime.remove(stranger.name)
  }
}

/** Artifacts that no rollback of any environment of the app may need, and their images where no other app has them. */
async function removeUnneeded(context: Pick<Context, 'store' | 'runtime' | 'clock' | 'log'>, snapshot: Snapshot): Promise<void> {
  const { read } = context.store
  const artifacts = await read.artifacts.list(EVERYTHING, { where: { appId: snapshot.app.id, removedAt: null } })
  if (artifacts.length <= KEPT_ARTIFACTS) return
  const environments = await read.environments.list(EVERYTHING, { where: { appId: snapshot.app.id, goneAt: null } })
  const needs = await Promise.all(
    environments.map(async (environment): Promise<Need> => {
      const coming = await read.deployments.list(EVERYTHING, { where: { environmentId: environment.id, status: ['queued', ...ACTIVE_STATUSES] } })
      const inUse = [environment.wish.releaseId, ...coming.flatMap((one) => [one.wish.releaseId, one.previous.releaseId, one.request.releaseId])]
      return {
        releases: await read.releases.list(EVERYTHING, { where: { environmentId: environment.id } }),
        releaseIdsInUse: inUse.filter((id) => id !== null),
      }
    }),
  )
  for (const artifact of unneeded(artifacts, needs)) {
    // Recorded first: an image that is gone must never look like one that can be gone back to.
    await context.store.transaction((tx) => tx.artifacts.set(artifact.id, { removedAt: context.clock.now() }))
    const gone = !(await isRecorded(read, artifact.digest)) && (await context.runtime.removeImage(artifact.digest))
    context.log.info('artifact forgotten by retention', { artifact: artifact.origin, gone })
  }
}

/** The engine's own restarts count as crashes until the instance has stayed up for a while. */
async function countCrashes(
  context: Pick<Context, 'store' | 'clock'>,
  one: { readonly snapshot: Snapshot; readonly senses: Senses; readonly instance: Instance },
): Promise<void> {
  const { instance, senses, snapshot } = one
  const observed = snapshot.observed.get(instance.name)
  if (!observed) return
  const upMs = observed.startedAt === null ? 0 : context.clock.now() - observed.startedAt
  const stable = senses.probe(instance.name).state === 'ready' && upMs >= STABLE_MS
  // The engine counts for the container's whole life: what came before it last stayed up is forgiven.
  const since = Math.max(0, observed.restarts - instance.restartsForgiven)
  const crashes = stable ? 0 : Math.max(instance.crashes, upMs < STABLE_MS ? since : 0)
  const restartsForgiven = stable ? observed.restarts : Math.min(instance.restartsForgiven, observed.restarts)
  if (crashes === instance.crashes && restartsForgiven === instance.restartsForgiven) return
  await context.store.transaction(async (tx) => {
    await tx.instances.save(instance, { ...instance, crashes, restartsForgiven, retryAt: crashes === 0 ? 0 : instance.retryAt })
  })
}

/** Nothing of a removed environment is left but its network and records: those go now, and the app with the last one. */
export async function forgetGone(
  context: Pick<Context, 'store' | 'runtime' | 'clock'>,
  snapshot: Snapshot,
  forgetApp: (app: App) => Promise<boolean>,
): Promise<PassResult> {
  const { environment, app } = snapshot
  if (snapshot.instances.length > 0 || snapshot.observed.size > 0) return { afterMs: 500 }
  await context.runtime.removeNetwork(environment.id)
  const siblings = await context.store.read.environments.list(EVERYTHING, { where: { appId: app.id, goneAt: null } })
  if (app.removedAt !== null && siblings.length === 1 && !(await forgetApp(app))) return { afterMs: 500 }
  const now = context.clock.now()
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    await tx.environments.save(current, { ...current, goneAt: now })
    for (const instance of await tx.instances.list(EVERYTHING, { where: { environmentId: environment.id } })) await tx.instances.remove(instance.name)
    await tx.record({
      kind: 'environment.gone',
      actor: PLATFORM,
      projectId: environment.projectId,
      appId: app.id,
      environmentId: environment.id,
      subject: environment.id,
    })
    const rest = await tx.environments.list(EVERYTHING, { where: { appId: app.id, goneAt: null } })
    if (rest.length > 0 || app.removedAt === null) return
    await tx.apps.save(app, { ...app, goneAt: now })
    await tx.record({ kind: 'app.gone', actor: PLATFORM, projectId: app.projectId, appId: app.id, subject: app.id, data: { name: app.name } })
  })
  return {}
}
