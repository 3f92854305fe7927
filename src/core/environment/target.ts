import { isGlob, matchesGlob } from '../../lib/glob.ts'
import type { Environment } from './environment.ts'

/**
 * The environment a push of this full ref is deployed to: the one that names its branch, else the oldest whose pattern of
 * branches or tags matches; null: none. Pure.
 */
export function targetOf(environments: readonly Environment[], ref: string): Environment | null {
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1]
  const tag = /^refs\/tags\/(.+)$/.exec(ref)?.[1]
  const inOrder = environments.filter((one) => one.removedAt === null).toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  if (tag !== undefined) return inOrder.find((one) => one.tags !== null && matchesGlob(tag, one.tags)) ?? null
  if (branch === undefined) return null
  return inOrder.find((one) => one.branch === branch) ?? inOrder.find((one) => isGlob(one.branch) && matchesGlob(branch, one.branch)) ?? null
}
