import type { Build } from './build.ts'

/** A build that waited this long is as urgent as one of production: nobody waits for ever. */
const URGENT_AFTER_MS = 5 * 60_000

/** What decides who is next, beside the queued builds themselves. */
export interface Yard {
  readonly running: readonly Pick<Build, 'appId'>[]
  /** How many builds may run at a time. */
  readonly slots: number
  /** When a build of each app began last; an app that is not there never had one. */
  readonly lastBegun: ReadonlyMap<string, number>
  readonly productionIds: ReadonlySet<string>
  readonly now: number
}

/**
 * The queued builds to begin now, in order. Production first, and what waited long; then the app whose turn it is: the one
 * that began a build the longest ago. One build of an app at a time: its builds end in the order of its commits and share a
 * cache. Pure.
 */
export function nextBuilds(queued: readonly Build[], yard: Yard): Build[] {
  const busy = new Set(yard.running.map((build) => build.appId))
  const isUrgent = (build: Build): boolean => yard.productionIds.has(build.environmentId) || yard.now - build.createdAt >= URGENT_AFTER_MS
  const turn = (build: Build): number => yard.lastBegun.get(build.appId) ?? 0
  const inOrder = queued.toSorted(
    (a, b) => Number(isUrgent(b)) - Number(isUrgent(a)) || turn(a) - turn(b) || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1),
  )
  const chosen: Build[] = []
  for (const build of inOrder) {
    if (yard.running.length + chosen.length >= yard.slots) break
    if (busy.has(build.appId)) continue
    busy.add(build.appId)
    chosen.push(build)
  }
  return chosen
}
