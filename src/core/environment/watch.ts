// The observation window: after a deployment the new release is compared with the one before, by what the edge counts.
import { durationText } from '../../lib/duration.ts'
import { messageOf, PlatformError, UnavailableError } from '../../lib/errors.ts'
import { failpoint } from '../../lib/failpoint.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Deployment } from '../deployment/deployment.ts'
import { rollback } from '../deployment/rollback.ts'
import type { NewEvent } from '../event/event.ts'
import { judge } from '../instance/analysis.ts'
import { type Counted, countFrom, countOn, NOTHING, type Sample, together } from '../instance/reading.ts'
import { releaseName } from '../release/release.ts'
import { count } from './count.ts'
import { armId, type Environment, LOOK_AGAIN_MS, type Watch } from './environment.ts'
import type { Snapshot } from './snapshot.ts'
import { sampleOf } from './soak.ts'
import { findUnwell, type WatchedInstance } from './unwell.ts'

const LOOK_MS = 1_000
/** Fewer requests say nothing of how long answers take; no traffic is not a failure. */
const LEAST_REQUESTS = 50

/** What is to be watched now that this deployment has succeeded; null: nothing. A verb that keeps the release keeps its watch. */
export async function watchAfter(tx: Tx, now: { readonly environment: Environment; readonly deployment: Deployment }): Promise<Watch | null> {
  const { environment, deployment } = now
  const { previous, wish, verb } = deployment
  const begun = begunBy(deployment)
  if (verb !== 'deploy' && verb !== 'rollback') return previous.releaseId === wish.releaseId ? environment.watch : null
  if (environment.watchPolicy.forMs === 0 || !wish.running || wish.releaseId === null) return null
  // What was gone back to is left only by a person, but may still have to be proven.
  if (verb === 'rollback') return (await tx.releases.get(EVERYTHING, wish.releaseId)).provenAt === null ? begun : null
  const served = previous.running && previous.releaseId !== null && previous.releaseId !== wish.releaseId ? previous.releaseId : null
  return served === null ? begun : { ...begun, before: { releaseId: served, sample: await sampleOfLeft(tx, deployment) } }
}

/** A deployment that went back ended the watch of what it went back to: that one still has to be proven. null: nothing to watch. */
export async function watchAgain(
  tx: Tx,
  { environment, deployment }: { readonly environment: Environment; readonly deployment: Deployment },
): Promise<Watch | null> {
  const { releaseId, running } = environment.wish
  if (environment.watch !== null || environment.watchPolicy.forMs === 0 || releaseId === null || !running) return environment.watch
  const { liveAt, provenAt, fault } = await tx.releases.get(EVERYTHING, releaseId)
  if (liveAt === null || provenAt !== null || fault !== null) return null
  return begunBy(deployment)
}

/** A watch of which nothing is known yet, compared with no release. */
function begunBy(deployment: Deployment): Watch {
  return { deploymentId: deployment.id, before: null, usedMs: 0, sample: NOTHING, worse: null, unanswered: null }
}

/** How the instances answered that the deployment stopped: counted until they left. */
async function sampleOfLeft(tx: Tx, { id, environmentId, wish }: Deployment): Promise<Sample> {
  const sets = new Map((await tx.instances.list(EVERYTHING, { where: { environmentId } })).map((instance) => [instance.name, instance.set]))
  const stops = await tx.steps.list(EVERYTHING, { where: { deploymentId: id, kind: 'stop', status: 'done' } })
  const left = stops.filter((stop) => stop.instance !== null && sets.get(stop.instance) !== wish.set)
  return together(left.map(({ numbers }) => ({ requests: numbers.requests ?? 0, failures: numbers.failures ?? 0, answerMs: numbers.answerMs ?? 0 })))
}

type Watching = Pick<Context, 'store' | 'edge' | 'clock' | 'log' | 'runtime'>

/** What a pass knows of the watched set, and how much of the window is used. */
export interface WatchLook {
  readonly usedMs: number
  readonly instances: readonly WatchedInstance[]
  readonly unreadyMs: number
}

/** `afterMs` 0: something was found, and the environment is looked at again at once. */
export type Watched = { readonly afterMs: number }

/**
 * One look at what is watched, also while its instances crash or do not answer: a release that is not well, or answers worse than
 * the one before, goes back by itself, where the environment and the release allow it; otherwise it is only reported.
 */
export async function watchOver(context: Watching, snapshot: Snapshot, look: WatchLook): Promise<Watched> {
  const { environment, release } = snapshot
  const { watch, watchPolicy } = environment
  if (watch === null || release === null || (watch.worse !== null && watch.usedMs >= watchPolicy.forMs)) return { afterMs: LOOK_AGAIN_MS }
  const instances = await count(context, snapshot.instances).catch(whileAway(snapshot.instances))
  const unanswered = await countUnanswered(context, environment, watch).catch(whileAway(watch.unanswered ?? null))
  const answered = sampleOf(instances.filter((instance) => instance.set === snapshot.wish.set))
  const sample = together([answered, unanswered?.sample ?? NOTHING])
  const isOver = look.usedMs >= watchPolicy.forMs && look.instances.every(({ isReady }) => isReady)
  const seen: Watch = { ...watch, usedMs: Math.round(Math.min(look.usedMs, watchPolicy.forMs)), sample, unanswered }
  const unwell = findUnwell({ release, ...look })
  if (unwell !== null && watch.worse === null) return findWorse(context, snapshot, { watch: seen, why: unwell, how: 'is not well' })
  const verdict = judge({ fresh: sample, old: watch.before?.sample ?? null, leastRequests: LEAST_REQUESTS, isOver })
  if (verdict.kind === 'worse' && watch.worse === null) return findWorse(context, snapshot, { watch: seen, why: verdict.why, how: 'answers worse' })
  if (isOver && watch.worse === null) await endWatch(context, snapshot, seen)
  else if (isOver || JSON.stringify(sample) !== JSON.stringify(watch.sample) || look.usedMs - watch.usedMs > 5_000) await keep(context, environment, seen)
  return { afterMs: isOver ? LOOK_AGAIN_MS : LOOK_MS }
}

/** While the edge cannot be asked the counts stay as they were: crashes and probes are still seen. */
function whileAway<T>(last: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof UnavailableError) return last
    throw error
  }
}

/** Requests of the live arm that no instance answered, since the first look at them. */
async function countUnanswered(context: Pick<Context, 'edge'>, environment: Environment, watch: Watch): Promise<Counted | null> {
  const before = watch.unanswered ?? null
  const arm = armId(environment, environment.liveArm)
  const reading = (await context.edge.unanswered([arm])).get(arm)
  if (!reading) return before
  return before === null ? countFrom(reading) : countOn(before, reading)
}

interface Worse {
  readonly watch: Watch
  readonly why: string
  readonly how: 'answers worse' | 'is not well'
}

async function findWorse(context: Watching, snapshot: Snapshot, { watch, why, how }: Worse): Promise<Watched> {
  const { environment, release } = snapshot
  const name = release ? releaseName(release) : 'the release'
  const stays = reasonToStay(snapshot, watch)
  const past = how === 'answers worse' ? 'answered worse' : 'was not well'
  const told = stays ?? (await goBack(context, { environment, watch, reason: `${name} ${past}: ${why}` }))
  const worse = `${name} ${how}: ${why}${told === null ? '' : `; it stays: ${told}`}`
  context.log.warn('a watched release is found worse', { environment: environment.id, worse })
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    await tx.environments.save(current, { ...current, watch: { ...watch, worse } })
    if (release) await tx.releases.set(release.id, { fault: why, provenAt: null })
    await tell(tx, environment, { kind: 'release.worse', data: { release: name, why, goesBack: told === null } })
  })
  return { afterMs: 0 }
}

/** Why it is only reported; null: it goes back. */
function reasonToStay({ environment, release }: Snapshot, watch: Watch): string | null {
  if (watch.before === null) return 'there is nothing to go back to'
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

/** The window is over, and nothing was found: now the release is proven. */
async function endWatch(context: Watching, { environment, release }: Snapshot, watch: Watch): Promise<void> {
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    await tx.environments.save(current, { ...current, watch: null })
    if (release) await tx.releases.set(release.id, { provenAt: context.clock.now() })
    await tell(tx, environment, { kind: 'release.watched', data: { deployment: watch.deploymentId, for: durationText(watch.usedMs), ...watch.sample } })
  })
}

async function keep(context: Watching, environment: Environment, watch: Watch): Promise<void> {
  await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    if (current.watch?.deploymentId === watch.deploymentId) await tx.environments.save(current, { ...current, watch })
  })
}

function tell(tx: Tx, environment: Environment, fact: Pick<NewEvent, 'kind' | 'data'>): Promise<void> {
  return tx.record({
    ...fact,
    actor: PLATFORM,
    projectId: environment.projectId,
    appId: environment.appId,
    environmentId: environment.id,
    subject: environment.id,
  })
}
