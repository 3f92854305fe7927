import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { ActorRef } from '../actor/actor.ts'
import type { Artifact } from '../artifact/artifact.ts'
import type { ConfigRevision } from '../config-revision/config-revision.ts'
import type { Environment } from '../environment/environment.ts'
import type { Release } from './release.ts'

export interface NewRelease {
  readonly environment: Environment
  readonly artifact: Artifact
  readonly configRevision: ConfigRevision
  readonly actor: ActorRef
  readonly now: number
}

/** Puts artifact and configuration together under the environment's next number. */
export async function createRelease(tx: Tx, input: NewRelease): Promise<Release> {
  const { environment, artifact, configRevision } = input
  const release = await tx.releases.insert({
    id: newId('r'),
    projectId: environment.projectId,
    environmentId: environment.id,
    number: await tx.releases.next('number', { environmentId: environment.id }),
    artifactId: artifact.id,
    configRevisionId: configRevision.id,
    runSpec: artifact.runSpec,
    actor: input.actor,
    createdAt: input.now,
    liveAt: null,
    provenAt: null,
    fault: null,
  })
  await tx.record({
    kind: 'release.created',
    actor: input.actor,
    projectId: release.projectId,
    appId: environment.appId,
    environmentId: environment.id,
    subject: release.id,
    data: { number: release.number, artifact: artifact.origin, configRevision: configRevision.number },
  })
  return release
}
