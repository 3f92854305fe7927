// What need not be built again: an artifact of the same commit, or of the same files made in the same way.
import type { ReadStore } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { isTrustedFor, TRUST_LEVELS, type Trust } from '../trust/trust.ts'
import type { Source } from './source.ts'

const LOOKED_AT = 20

/** The newest artifact of a commit that was built with these values; null: it has to be built. The root of an app can change: only the same folder is the same. */
export async function builtBefore(
  read: ReadStore,
  source: Pick<Source, 'treeOf'>,
  of: { readonly app: App; readonly commitId: string; readonly trust: Trust; readonly values: Readonly<Record<string, string>> | null },
): Promise<Artifact | null> {
  const { app, commitId, trust, values } = of
  if (values === null) return null
  const artifacts = await takable(read, { appId: app.id, commitId }, trust)
  if (artifacts.length === 0) return null
  const treeId = await source.treeOf({ app: app.name, commitId, root: app.root })
  return artifacts.find((artifact) => artifact.treeId === treeId && isSame(artifact.buildValues, values)) ?? null
}

/** Whether two builds were given the same values. */
function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  return Object.keys(one).length === Object.keys(other).length && Object.entries(one).every(([name, hash]) => other[name] === hash)
}

/** The newest artifact of a tree and a recipe. */
export async function sameBefore(
  read: ReadStore,
  of: { readonly app: App; readonly treeId: string; readonly recipe: string; readonly trust: Trust },
): Promise<Artifact | null> {
  const { app, treeId, recipe, trust } = of
  return (await takable(read, { appId: app.id, treeId, recipe }, trust))[0] ?? null
}

/** What was built at a lower level ran on a cache that others write to: a build of a higher one does not take what it made. */
async function takable(read: ReadStore, where: { readonly appId: string } & Record<string, string>, trust: Trust): Promise<Artifact[]> {
  const trusted = TRUST_LEVELS.filter((made) => isTrustedFor(made, trust))
  return read.artifacts.list(EVERYTHING, { where: { ...where, removedAt: null, trust: trusted }, orderBy: 'createdAt', descending: true, limit: LOOKED_AT })
}
