// The observation window: after a deployment the new release is compared with the one before, by what the edge counts.
import { durationText } from '../../lib/duration.ts'
import { messageOf, PlatformError } from '../../lib/errors.ts'
import { failpoint } from '../../lib/failpoint.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Deployment } from '../deployment/deployment.ts'
import { rollback } from '../deployment/rollback.ts'
import { judge } from '../instance/analysis.ts'
import { NOTHING, type Sample, together } from '../instance/reading.ts'
import { releaseName } from '../release/release.ts'
import { count } from './count.ts'
import type { Environment, Watch } from './environment.ts'
import type { Snapshot } from './snapshot.ts'
import { sampleOf } from './soak.ts'

const LOOK_MS = 1_000
/** When nothing is left to watch. */
const RESYNC_MS = 10_000
/** Fewer requests say nothing of how long answers take; no traffic is not a failure. */
const LEAST_REQUESTS = 50

/** What is to be watched now that this deployment has succeeded; null: nothing. */
export async function watchAfter(tx: Tx, now: { readonly environment: Environment; readonly deployment: Deployment }): Promise<Watch | null> {
  const { environment, deployment } = now
  const { previous, wish } = deployment
  if (deployment.verb !== 'deploy' || environment.watchPolicy.forMs === 0 || !wish.running) return null
  const served = previous.running && previous.releaseId !== null && previous.releaseId !== wish.releaseId ? previous.releaseId : null
  const before = served === null ? null : { releaseId: served, sample: await sampleOfLeft(tx, deployment) }
  return { deploymentId: deployment.id, before, usedMs: 0, sample: NOTHING, worse: null }
}

/** How the instances answered that the deployment stopped: counted until they left. */
async function sampleOfLeft(tx: Tx, { id, environmentId, wish }: Deployment): Promise<Sample> {
  const sets = new Map((await tx.instances.list(EVERYTHING, { where: { environmentId } })).map((instance) => [instance.name, instance.set]))
  const stops = await tx.steps.list(EVERYTHING, { where: { deploymentId: id, kind: 'stop', status: 'done' } })
  const left = stops.filter((stop) => stop.instance !== null && sets.get(stop.instance) !== wish.set)
  return together(left.map(({ numbers }) => ({ requests: numbers.requests ?? 0, failures: numbers.failures ?? 0, answerMs: numbers.answerMs ?? 0 })))
}

type Watching = Pick<Context, 'store' | 'edge' | 'clock' | 'log' | 'runtime'>

/**
 * One look at what is watched: a release that answers worse than the one before goes back by itself, where that is wished and
 * its release allows it; else it is told. `usedMs`: of the window.
 */
export async function watchOver(context: Watching, snapshot: Snapshot, usedMs: number): Promise<PassResult> {
  const { environment } = snapshot
  const { watch, watchPolicy } = environment
  if (watch === null || (watch.worse !== null && watch.usedMs >= watchPolicy.forMs)) return { afterMs: RESYNC_MS }
  const instances = await count(context, snapshot.instances)
  const sample = sampleOf(instances.filter((instance) => instance.set === snapshot.wish.set))
  const isOver = usedMs >= watchPolicy.forMs
  const verdict = judge({ fresh: sample, old: watch.before?.sample ?? null, leastRequests: LEAST_REQUESTS, isOver })
  const seen: Watch = { ...watch, usedMs: Math.round(usedMs), sample }
  if (verdict.kind === 'worse' && watch.worse === null) return findWorse(context, snapshot, { watch: seen, why: verdict.why })
  if (isOver && watch.worse === null) await endWatch(context, environment, seen)
  else if (isOver || JSON.stringify(sample) !== JSON.stringify(watch.sample) || usedMs - watch.usedMs > 5_000) await keep(context, environment, seen)
  return { afterMs: isOver ? RESYNC_MS : LOOK_MS }
}

interface Worse {
  readonly watch: Watch
  readonly why: string
}

async function findWorse(context: Watching, snapshot: Snapshot, { watch, why }: Worse): Promise<PassResult> {
  const { environment, release } = snapshot
  const name = release ? releaseName(release) : 'the release'
  const stays = reasonToStay(snapshot, watch)
  const told = stays ?? (await goBack(context, { environment, watch, reason: `${name} answered worse: ${why}` }))
  const worse = `${name} answers worse: ${why}${told === null ? '' : `; it stays: ${told}`}`
  context.log.warn('a release answers worse than the one before', { environment: environment.id, worse })
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    await tx.environments.save(current, { ...current, watch: { ...watch, worse } })
    await tell(tx, environment, { kind: 'release.worse', data: { release: name, why, goesBack: told === null } })
  })
  return { afterMs: 0 }
}

/** Why it is only told; null: it goes back. */
function reasonToStay({ environment, release }: Snapshot, watch: Watch): string | null {
  if (watch.before === null) return 'nothing served before it'
  if (!environment.watchPolicy.rollback) return 'nothing goes back by itself here (watch.rollback: false)'
  return release?.runSpec.rollback === 'forbidden' ? 'it forbids that anything goes back by itself (rollback: forbidden)' : null
}

/** Opens the rollback; gives why that could not be, or null. */
async function goBack(context: Watching, back: { readonly environment: Environment; readonly watch: Watch; readonly reason: string }): Promise<string | null> {
  const { environment, watch, reason } = back
  failpoint('watch.before-rollback')
  const to = await context.store.read.releases.find(EVERYTHING, watch.before?.releaseId ?? '')
  try {
    await rollback(context, { actor: PLATFORM, environment, to: to?.number ?? null, reason })
    failpoint('watch.after-rollback')
    return null
  } catch (error) {
    if (!(error instanceof PlatformError) || error.retryable || error.code === 'store.stale') throw error
    return messageOf(error)
  }
}

/** The window is over, and nothing was found. */
async function endWatch(context: Watching, environment: Environment, watch: Watch): Promise<void> {
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    await tx.environments.save(current, { ...current, watch: null })
    await tell(tx, environment, { kind: 'release.watched', data: { deployment: watch.deploymentId, for: durationText(watch.usedMs), ...watch.sample } })
  })
}

async function keep(context: Watching, environment: Environment, watch: Watch): Promise<void> {
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    if (current.watch?.deploymentId === watch.deploymentId) await tx.environments.save(current, { ...current, watch })
  })
}

function tell(tx: Tx, environment: Environment, fact: { readonly kind: string; readonly data: Readonly<Record<string, unknown>> }): Promise<void> {
  return tx.record({
    ...fact,
    actor: PLATFORM,
    projectId: environment.projectId,
    appId: environment.appId,
    environmentId: environment.id,
    subject: environment.id,
  })
}
