import { codeOf, PlatformError } from '../../lib/errors.ts'
import type { ReadStore } from '../../store/types.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import { PRODUCTION } from '../app/app.ts'
import type { Context } from '../context.ts'
import type { Artifact } from './artifact.ts'

/** Looks for images, without anything else of the engine. */
export type Engine = Pick<Context['runtime'], 'resolveImage'>
type Needs = Pick<Context, 'store' | 'clock'> & { readonly runtime: Engine }

/**
 * Whether the image of an artifact is in the engine, or was brought back from the registry of artifacts. One that is gone, for
 * example by `docker image prune`, is recorded as removed: nothing is deployed from it, and its commit is built again. Throws
 * UnavailableError when the engine or the registry does not answer.
 */
export async function isPresent(context: Needs, artifact: Artifact): Promise<boolean> {
  if (artifact.removedAt !== null) return false
  if (await hasImage(context.runtime, artifact)) return true
  await recordGone(context, artifact.digest)
  return false
}

/** The same before a deployment is opened: while the engine or the registry does not answer, the check of the deployment finds out. */
export async function mayBePresent(context: Needs, artifact: Artifact): Promise<boolean> {
  try {
    return await isPresent(context, artifact)
  } catch (error) {
    if (error instanceof PlatformError && error.retryable) return true
    throw error
  }
}

async function hasImage(engine: Engine, { digest, reference }: Artifact): Promise<boolean> {
  for (const name of [digest, ...(reference === null ? [] : [reference])]) {
    try {
      if ((await engine.resolveImage(name)).digest === digest) return true
    } catch (error) {
      if (codeOf(error) !== 'image.not_found') throw error
    }
  }
  return false
}

/** The artifacts of this image are removed, whoever has them: the engine is the same for all. */
async function recordGone({ store, clock }: Pick<Context, 'store' | 'clock'>, digest: string): Promise<void> {
  await store.transaction(async (tx) => {
    for (const artifact of await tx.artifacts.list(EVERYTHING, { where: { digest, removedAt: null } })) {
      await tx.artifacts.set(artifact.id, { removedAt: clock.now() })
      await tx.record({
        kind: 'artifact.gone',
        actor: PLATFORM,
        projectId: artifact.projectId,
        appId: artifact.appId,
        environmentId: null,
        subject: artifact.id,
        data: { origin: artifact.origin },
      })
    }
  })
}

/** What a person does to have the image of an artifact again in an environment. */
export async function howToGetAgain(
  read: Pick<ReadStore, 'apps'>,
  artifact: Pick<Artifact, 'commitId' | 'origin' | 'appId'>,
  environment: string,
): Promise<string> {
  const app = await read.apps.get(EVERYTHING, artifact.appId)
  const place = environment === PRODUCTION ? app.name : `${app.name} -e ${environment}`
  if (artifact.commitId === null) return `deploy it again with "lockgate deploy ${place} --image ${artifact.origin}"`
  return `build its commit again with "lockgate deploy ${place} --ref ${artifact.commitId} --rebuild"`
}
