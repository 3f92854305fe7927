import type { Release } from '../release/release.ts'
import type { Artifact } from './artifact.ts'

/** How many artifacts of each environment stay for a rollback. */
export const KEPT_ARTIFACTS = 5

/** What each environment of the app needs: its releases, and those that run or are on their way. */
export interface Need {
  readonly releases: readonly Release[]
  readonly releaseIdsInUse: readonly string[]
}

/** Artifacts of an app that nothing needs any more: not among the last five of any environment, and not in use. Pure. */
export function unneeded(artifacts: readonly Artifact[], needs: readonly Need[]): Artifact[] {
  const kept = new Set<string>()
  for (const need of needs) {
    const newestFirst = need.releases.toSorted((a, b) => b.number - a.number)
    for (const id of need.releaseIdsInUse) keep(kept, need.releases.find((release) => release.id === id)?.artifactId)
    const last = new Set<string>()
    for (const release of newestFirst) if (last.size < KEPT_ARTIFACTS) last.add(release.artifactId)
    for (const id of last) kept.add(id)
  }
  const keptDigests = new Set(artifacts.filter((artifact) => kept.has(artifact.id)).map((artifact) => artifact.digest))
  // An artifact without a release yet may be on its way to one.
  const released = new Set(needs.flatMap((need) => need.releases.map((release) => release.artifactId)))
  return artifacts.filter((artifact) => artifact.removedAt === null && released.has(artifact.id) && !kept.has(artifact.id) && !keptDigests.has(artifact.digest))
}

function keep(kept: Set<string>, id: string | undefined): void {
  if (id !== undefined) kept.add(id)
}
