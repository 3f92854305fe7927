import { EVERYTHING } from '../core/actor/actor.ts'
import type { Deployment } from '../core/deployment/deployment.ts'
import type { Release } from '../core/release/release.ts'
import type { ReadStore } from '../store/types.ts'

/** Verbs that can bring what a superseded deployment of this verb would have brought. A restart is there to make new instances. */
const BROUGHT_BY: Partial<Record<Deployment['verb'], readonly Deployment['verb'][]>> = { deploy: ['deploy'], restart: ['restart', 'deploy'] }
/** Newer deployments that are looked through: no client still follows one that was superseded more deployments ago. */
const MOST_NEWER = 50

/**
 * Of a superseded deployment: the newer one that brings what it would have brought, so that whoever follows it can follow that
 * one. Null: it was not superseded, or the newer one brings something else.
 */
export async function containedIn(read: ReadStore, deployment: Deployment): Promise<string | null> {
  if (deployment.status !== 'superseded') return null
  const verbs = BROUGHT_BY[deployment.verb]
  if (verbs === undefined) return null
  const where = { environmentId: deployment.environmentId, verb: verbs }
  const newest = await read.deployments.list(EVERYTHING, { where, orderBy: 'number', descending: true, limit: MOST_NEWER })
  const newer = newest.findLast((other) => other.number > deployment.number)
  if (!newer || deployment.verb === 'restart') return newer?.id ?? null
  const [mine, theirs] = [await releaseOf(read, deployment), await releaseOf(read, newer)]
  if (mine === null || theirs === null) return null
  const [older, later] = [await revisionOf(read, mine), await revisionOf(read, theirs)]
  const sameImage = mine.artifactId === theirs.artifactId || (await keptImage(read, mine))
  return later >= older && sameImage ? newer.id : null
}

async function releaseOf(read: ReadStore, { request }: Deployment): Promise<Release | null> {
  return request.releaseId === null ? null : read.releases.find(EVERYTHING, request.releaseId)
}

async function revisionOf(read: ReadStore, release: Release): Promise<number> {
  return (await read.configRevisions.get(EVERYTHING, release.configRevisionId)).number
}

/** Whether the release only changed the configuration: the one before it has the same image. */
async function keptImage(read: ReadStore, release: Release): Promise<boolean> {
  const where = { environmentId: release.environmentId, number: release.number - 1 }
  const before = (await read.releases.list(EVERYTHING, { where, limit: 1 }))[0]
  return before?.artifactId === release.artifactId
}
