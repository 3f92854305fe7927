import { ConflictError, PolicyError } from '../../lib/errors.ts'
import type { Tx } from '../../store/types.ts'
import { type Actor, EVERYTHING } from '../actor/actor.ts'
import { type Manifest, runSpecOf } from '../app/manifest.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { rememberArtifact } from '../artifact/remember.ts'
import { volumesLeftOut } from '../build/left-out.ts'
import { otherValues } from '../build/secrets.ts'
import { ensureRevision } from '../config-revision/revise.ts'
import type { Context } from '../context.ts'
import { DEFAULT_WATCH, type Environment } from '../environment/environment.ts'
import { DEFAULT_STRATEGY } from '../environment/strategy.ts'
import { createRelease } from '../release/create.ts'
import type { Release } from '../release/release.ts'
import { isTrustedFor } from '../trust/trust.ts'
import type { Deployment } from './deployment.ts'
import { openDeployment } from './open.ts'

export interface DeployArtifact {
  readonly actor: Actor
  readonly environment: Environment
  readonly artifact: Artifact
  /** What `lockgate.yaml` says of the strategy; an operator's word wins over it. null: as it is. */
  readonly manifest: Manifest | null
  readonly buildId: string | null
  /** A person who may deploy there moves it on, whatever level it was built at. */
  readonly promotes?: boolean
  readonly now: number
}

/**
 * Makes a release of an artifact with the head configuration, and opens its deployment. Throws ConflictError
 * `environment.removed`, `artifact.removed`, PolicyError `artifact.not_trusted`, and `release.pinned` when a rollback left this
 * pair behind and no person asks for it.
 */
export async function deployArtifact(tx: Tx, input: DeployArtifact): Promise<{ readonly release: Release; readonly deployment: Deployment }> {
  const { actor, now } = input
  const current = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
  if (current.removedAt) throw new ConflictError('environment.removed', `${current.name} is being removed.`)
  const artifact = await tx.artifacts.get({ projectId: current.projectId }, input.artifact.id)
  if (artifact.removedAt !== null)
    throw new ConflictError('artifact.removed', `The image of ${artifact.origin} is not kept any more: build it again with "lockgate deploy --rebuild".`)
  refuseLower(artifact, { environment: current, promotes: input.promotes === true && actor.kind !== 'platform' })
  const environment = input.manifest === null ? current : await followManifest(tx, current, input.manifest)
  const configRevision = await ensureRevision(tx, { environment, actor, now })
  const pair = { artifactId: artifact.id, configRevisionId: configRevision.id }
  if (actor.kind === 'platform') {
    const pins = await tx.pins.list({ projectId: null }, { where: { environmentId: environment.id, ...pair }, limit: 1 })
    if (pins[0])
      throw new PolicyError(
        'release.pinned',
        `${artifact.origin} is not deployed by itself: ${pins[0].reason}. A person may deploy it, or push another commit.`,
      )
  }
  await tx.removePins(environment.id, pair)
  const release = await createRelease(tx, { environment, artifact, configRevision, actor, now })
  const deployment = await openDeployment(tx, {
    environment,
    verb: 'deploy',
    request: { releaseId: release.id, count: null },
    actor,
    now,
    buildId: input.buildId,
  })
  return { release, deployment }
}

/** What was built at a lower level goes to a higher one by a promotion only. */
function refuseLower({ trust, origin }: Artifact, to: { readonly environment: Environment; readonly promotes: boolean }): void {
  const { name, trust: wanted } = to.environment
  if (to.promotes || isTrustedFor(trust, wanted)) return
  throw new PolicyError(
    'artifact.not_trusted',
    `${origin} was built at the level ${trust}, and ${name} is ${wanted}: build its commit for ${name}, or promote it from where it runs with "lockgate promote".`,
  )
}

async function followManifest(tx: Tx, environment: Environment, manifest: Manifest): Promise<Environment> {
  const strategy = manifest.strategy ?? DEFAULT_STRATEGY
  const watchPolicy = { forMs: manifest.watch?.for ?? DEFAULT_WATCH.forMs, rollback: manifest.watch?.rollback ?? DEFAULT_WATCH.rollback }
  const said = environment.strategySetBy === 'operator' ? {} : { strategy, strategySetBy: manifest.strategy ? ('manifest' as const) : ('default' as const) }
  const followed = { ...environment, ...said, watchPolicy }
  return JSON.stringify(followed) === JSON.stringify(environment) ? environment : tx.environments.save(environment, followed)
}

export interface DeployImage {
  readonly actor: Actor
  readonly environment: Environment
  /** NAME:TAG, NAME@sha256:… or a digest: resolved once, here. */
  readonly image: string
  readonly manifest: Manifest
}

/** Deploys an image that exists; `notes`: sentences about what of it is not used. Throws RejectedError `image.*` when it cannot be had. */
export async function deployImage(
  context: Pick<Context, 'store' | 'clock' | 'sealer' | 'runtime'>,
  input: DeployImage,
): Promise<{ readonly release: Release; readonly deployment: Deployment; readonly notes: readonly string[] }> {
  const { appId: id, trust } = input.environment
  const facts = await context.runtime.resolveImage(input.image, { id, trust })
  await refuseOtherValues(context, { environment: input.environment, digest: facts.digest, image: input.image })
  const now = context.clock.now()
  const runSpec = runSpecOf(input.manifest, { command: null, port: facts.ports.length === 1 ? (facts.ports[0] ?? null) : null })
  return context.store.transaction(async (tx) => {
    const { projectId, appId } = input.environment
    const artifact = await rememberArtifact(tx, {
      projectId,
      appId,
      digest: facts.digest,
      origin: input.image,
      commitId: null,
      buildId: null,
      treeId: null,
      recipe: null,
      buildValues: {},
      trust: input.environment.trust,
      content: null,
      reference: null,
      runSpec,
      createdAt: now,
    })
    const opened = await deployArtifact(tx, { actor: input.actor, environment: input.environment, artifact, manifest: input.manifest, buildId: null, now })
    return { ...opened, notes: volumesLeftOut(facts.volumes) }
  })
}

/** An image of this app holds the values that its build was given: naming it is no way to read those of another environment. */
async function refuseOtherValues(
  context: Pick<Context, 'store' | 'sealer'>,
  named: { readonly environment: Environment; readonly digest: string; readonly image: string },
): Promise<void> {
  const { environment, digest, image } = named
  for (const artifact of await context.store.read.artifacts.list(EVERYTHING, { where: { appId: environment.appId, digest } })) {
    const others = await otherValues(context, environment, artifact)
    if (others.length > 0)
      throw new PolicyError(
        'image.other_values',
        `${image} was built with other values of ${others.join(', ')} (build.secrets) than ${environment.name} has: promote it from where it runs, or build its commit for ${environment.name}.`,
      )
  }
}
