// Refs that a push moves or deletes without a deployment: whether that is allowed, and the event that says who did it.
import type { Actor } from '../actor/actor.ts'
import { may } from '../actor/may.ts'
import type { App } from '../app/app.ts'
import type { Artifact } from '../artifact/artifact.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'

/** A ref with what it named before and names afterwards; null: it was not there, or is deleted. */
export interface RefChange {
  /** Full name, such as `refs/tags/v1`. */
  readonly ref: string
  readonly before: string | null
  readonly after: string | null
}

/** What a release of an environment was made of. */
export interface Origin {
  readonly environment: Environment
  readonly artifact: Pick<Artifact, 'commitId'>
  /** Ref that its build was asked for; null: it was not built here. */
  readonly ref: string | null
}

/** What the current release of each environment was made of; environments without a release are left out. */
export async function originsOf({ store: { read } }: Pick<Context, 'store'>, app: App, environments: readonly Environment[]): Promise<Origin[]> {
  const scope = { projectId: app.projectId }
  const origins: Origin[] = []
  for (const environment of environments) {
    if (environment.wish.releaseId === null) continue
    const release = await read.releases.get(scope, environment.wish.releaseId)
    const artifact = await read.artifacts.get(scope, release.artifactId)
    const build = artifact.buildId === null ? null : await read.builds.find(scope, artifact.buildId)
    origins.push({ environment, artifact, ref: build?.ref ?? null })
  }
  return origins
}

/**
 * The environment whose running release would lose its name by this change, and to which the actor may not push; null: none. A
 * tag names the release when it names its commit, or when the build was asked for by that tag; a branch moves on with its work, so
 * only its deletion counts, and only when the build was asked for by it. Pure.
 */
export function losingItsName(origins: readonly Origin[], change: RefChange & { readonly commitId: string | null }, actor: Actor): Environment | null {
  const isTag = change.ref.startsWith('refs/tags/')
  if (change.before === null || (!isTag && change.after !== null)) return null
  const named = ({ artifact, ref }: Origin): boolean => ref === change.ref || (isTag && artifact.commitId !== null && artifact.commitId === change.commitId)
  return origins.find((origin) => named(origin) && !may(actor, 'source.push', origin.environment))?.environment ?? null
}

/** The event of a ref that was moved or deleted without a deployment. */
export async function recordRef(context: Pick<Context, 'store'>, by: { readonly actor: Actor; readonly app: App }, change: RefChange): Promise<void> {
  const { ref, before, after } = change
  await context.store.transaction((tx) =>
    tx.record({
      kind: after === null ? 'ref.deleted' : 'ref.moved',
      actor: by.actor,
      projectId: by.app.projectId,
      appId: by.app.id,
      subject: ref,
      data: { ref, before, after },
    }),
  )
}
