import { ConflictError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { lowerTrust } from '../trust/trust.ts'
import { type Build, isBuildFinished } from './build.ts'
import { queueBuild } from './open.ts'

/**
 * Builds the commit of a build that ended once more, also when the same was built before. Throws ConflictError
 * `build.not_finished`, `environment.removed`.
 */
export async function retryBuild(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly build: Build }): Promise<Build> {
  const { build, actor } = input
  if (!isBuildFinished(build)) throw new ConflictError('build.not_finished', `Build ${build.id} is ${build.status}: "lockgate follow ${build.id}" watches it.`)
  return context.store.transaction(async (tx) => {
    const scope = { projectId: build.projectId }
    const app = await tx.apps.get(scope, build.appId)
    const environment = await tx.environments.get(scope, build.environmentId)
    const { ref, commitId, purpose } = build
    const trust = purpose === 'deploy' ? environment.trust : lowerTrust(build.trust, environment.trust)
    // Of a build that compared the artifact is what it compared with; of another its result, which this one has not got yet.
    const artifactId = purpose === 'deploy' ? null : build.artifactId
    return queueBuild(tx, { actor, app, environment, ref, commitId, trust, purpose, artifactId, rebuild: true, now: context.clock.now() })
  })
}
