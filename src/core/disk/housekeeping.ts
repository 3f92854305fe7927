// What grows with every build and is of no use after a while: logs of old builds, refs of old pushes.
import { messageOf } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { type Engine, isPresent } from '../artifact/present.ts'
import { type Build, isBuildFinished } from '../build/build.ts'
import type { Source } from '../build/source.ts'
import type { Context } from '../context.ts'
import type { LogBook } from '../log/book.ts'

/** Builds of an app whose logs and commits stay, beside those whose artifacts do. */
const KEPT_BUILDS = 50
const EVERY_MS = 60 * 60_000

export interface HousekeepingNeeds {
  readonly source: Pick<Source, 'keepOnly'>
  readonly book: Pick<LogBook, 'remove'>
  /** Checks and copies the database when that is due. */
  readonly keepDatabase: () => Promise<void>
}

type Needed = Pick<Context, 'store' | 'log' | 'clock'> & { readonly runtime: Engine }

/** Tidies every app; a failure at one keeps nothing of the others. */
export async function keepHouse(context: Needed, needs: HousekeepingNeeds): Promise<PassResult> {
  for (const app of await context.store.read.apps.list(EVERYTHING, { where: { goneAt: null, removedAt: null } })) {
    try {
      await tidyApp(context, needs, app)
    } catch (error) {
      context.log.warn('an app could not be tidied', { app: app.name, error: messageOf(error) })
    }
  }
  await logAnchor(context)
  await needs.keepDatabase()
  return { afterMs: EVERY_MS }
}

/** The head of the event log, in the log of the server: a copy outside the data directory of how many events there were. */
async function logAnchor({ store, log }: Pick<Context, 'store' | 'log'>): Promise<void> {
  const newest = (await store.read.events.list(EVERYTHING, { orderBy: 'seq', descending: true, limit: 1 }))[0]
  if (newest) log.info('event anchor', { seq: newest.seq, hash: newest.hash })
}

async function tidyApp(context: Needed, needs: HousekeepingNeeds, app: App): Promise<void> {
  await lookForImages(context, app)
  const { old } = await buildsOf(context, app)
  for (const build of old) await needs.book.remove(`build/${build.id}`)
  await needs.source.keepOnly(app.name, async () => {
    const { kept, artifacts } = await buildsOf(context, app)
    return new Set([...kept.map((build) => build.commitId), ...artifacts.flatMap(({ commitId }) => (commitId === null ? [] : [commitId]))])
  })
}

/** Images that a person removed from the engine are recorded as removed. One that a registry has too can be brought back. */
async function lookForImages(context: Needed, app: App): Promise<void> {
  const artifacts = await context.store.read.artifacts.list(EVERYTHING, { where: { appId: app.id, removedAt: null, reference: null } })
  for (const artifact of artifacts) await isPresent(context, artifact)
}

interface Builds {
  readonly kept: readonly Build[]
  readonly old: readonly Build[]
  readonly artifacts: readonly Artifact[]
}

async function buildsOf({ store }: Pick<Context, 'store'>, app: App): Promise<Builds> {
  const where = { appId: app.id }
  const builds = await store.read.builds.list(EVERYTHING, { where, orderBy: 'createdAt', descending: true })
  const artifacts = await store.read.artifacts.list(EVERYTHING, { where: { ...where, removedAt: null } })
  const keptIds = new Set(artifacts.map((artifact) => artifact.buildId))
  const isOld = (build: Build, at: number): boolean => at >= KEPT_BUILDS && isBuildFinished(build) && !keptIds.has(build.id)
  return { kept: builds.filter((build, at) => !isOld(build, at)), old: builds.filter(isOld), artifacts }
}
