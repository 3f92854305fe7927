import { matchesGlob } from '../../lib/glob.ts'
import type { Source } from '../build/source.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import type { App } from './app.ts'

/** The patterns of paths whose change matters to an app: what it was told, else its own folder; empty: every path. Pure. */
export function watchedBy(app: Pick<App, 'root' | 'watch'>): readonly string[] {
  if (app.watch.length > 0) return app.watch
  return app.root === '' ? [] : [`${app.root}/**`]
}

/** Whether one of these changed paths matters to the app. Pure. */
export function concerns(app: Pick<App, 'root' | 'watch'>, changed: readonly string[]): boolean {
  const patterns = watchedBy(app)
  return patterns.length === 0 || changed.some((path) => patterns.some((pattern) => matchesGlob(path, pattern)))
}

/**
 * The commit an environment runs, when nothing the app watches has changed between it and the commit that is asked for;
 * null: there is something to build, or it cannot be told.
 */
export async function unchangedSince(
  context: Pick<Context, 'store'>,
  source: Pick<Source, 'changed'>,
  asked: { readonly app: App; readonly environment: Environment; readonly commitId: string },
): Promise<string | null> {
  const { app, environment, commitId } = asked
  const { releaseId } = environment.wish
  if (watchedBy(app).length === 0 || releaseId === null) return null
  const scope = { projectId: app.projectId }
  const { read } = context.store
  const artifact = await read.artifacts.get(scope, (await read.releases.get(scope, releaseId)).artifactId)
  if (artifact.commitId === null || artifact.commitId === commitId) return null
  const changed = await source.changed(app.name, artifact.commitId, commitId)
  return changed === null || concerns(app, changed) ? null : artifact.commitId
}
