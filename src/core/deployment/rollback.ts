import { ConflictError, NotFoundError, PolicyError } from '../../lib/errors.ts'
import type { ReadStore, Tx } from '../../store/types.ts'
import { type Actor, EVERYTHING } from '../actor/actor.ts'
import { type Engine, howToGetAgain, mayBePresent } from '../artifact/present.ts'
import { addRevision, headRevision } from '../config-revision/revise.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import { type Release, releaseName } from '../release/release.ts'
import type { Deployment } from './deployment.ts'
import { openDeployment } from './open.ts'

export interface Rollback {
  readonly actor: Actor
  readonly environment: Environment
  /** Number of the release to go back to; null: the last good one. */
  readonly to: number | null
  /** Also where the release forbids that anything goes back from it. */
  readonly insists?: boolean
  /** Why, for people; default: that it was rolled back. */
  readonly reason?: string
}

export interface RolledBack {
  readonly deployment: Deployment
  readonly from: Release
  readonly to: Release
  /** Configuration keys whose values go back with it. */
  readonly undoes: readonly string[]
}

/**
 * Opens a deployment for an older release: image and configuration go back together, that release's configuration becomes
 * the head, and the pair that is left behind is pinned. Throws ConflictError `deployment.no_rollback_target`,
 * `release.artifact_gone`, NotFoundError `release.not_found`, PolicyError `release.rollback_forbidden`.
 */
export async function rollback(context: Needs, input: Rollback): Promise<RolledBack> {
  const now = context.clock.now()
  await refuseWithoutImage(context, input)
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    const { from, to } = await rollbackTarget(tx, environment, input.to)
    if (from.runSpec.rollback === 'forbidden' && input.insists !== true)
      throw new PolicyError(
        'release.rollback_forbidden',
        `${releaseName(from)} forbids going back from it (rollback: forbidden in its lockgate.yaml): its data may be of no use to an older release. A person who knows better says --force.`,
      )
    const undoes = await makeHead(tx, { environment, to, actor: input.actor, now })
    await pinRelease(tx, { environment, from, to, now, reason: input.reason ?? `rolled back from ${releaseName(from)} to ${releaseName(to)}` })
    const deployment = await openDeployment(tx, {
      environment,
      verb: 'rollback',
      request: { releaseId: to.id, count: null },
      actor: input.actor,
      now,
      buildId: null,
    })
    return { deployment, from, to, undoes }
  })
}

type Needs = Pick<Context, 'store' | 'clock'> & { readonly runtime: Engine }

/** A rollback to an image that is gone would only fail; an engine that does not answer is waited for by the deployment. */
async function refuseWithoutImage(context: Needs, { environment, to: number }: Rollback): Promise<void> {
  const { read } = context.store
  const { to } = await rollbackTarget(read, await read.environments.get({ projectId: environment.projectId }, environment.id), number)
  const artifact = await read.artifacts.get(EVERYTHING, to.artifactId)
  if (!(await mayBePresent(context, artifact))) throw await artifactGone(read, { release: to, environment })
}

async function artifactGone(
  read: Pick<ReadStore, 'apps' | 'artifacts'>,
  at: { readonly release: Release; readonly environment: Environment },
): Promise<ConflictError> {
  const artifact = await read.artifacts.get(EVERYTHING, at.release.artifactId)
  const again = await howToGetAgain(read, artifact, at.environment.name)
  return new ConflictError('release.artifact_gone', `The image of ${releaseName(at.release)} (${artifact.origin}) is not in the engine any more: ${again}.`)
}

/** Which release a rollback leaves and which it goes to. A release that is still on its way in counts as the current one. */
export async function rollbackTarget(
  read: Pick<ReadStore, 'apps' | 'releases' | 'artifacts' | 'deployments' | 'pins'>,
  environment: Environment,
  number: number | null,
): Promise<{ readonly from: Release; readonly to: Release }> {
  const scope = { projectId: environment.projectId }
  const coming = (
    await read.deployments.list(scope, { where: { environmentId: environment.id, status: 'running', verb: ['deploy', 'rollback'] }, limit: 1 })
  )[0]
  const currentId = coming?.wish.releaseId ?? environment.wish.releaseId
  if (currentId === null) throw new ConflictError('deployment.no_rollback_target', 'Nothing was deployed here yet, so there is nothing to go back to.')
  const from = await read.releases.get(scope, currentId)
  const releases = await read.releases.list(scope, { where: { environmentId: environment.id }, orderBy: 'number', descending: true })
  const to = number === null ? await servedBefore(read, environment, { from, releases }) : releases.find((release) => release.number === number)
  if (!to && number !== null) throw new NotFoundError('release.not_found', `There is no release r${number} here. "lockgate releases" lists them.`)
  if (!to) throw new ConflictError('deployment.no_rollback_target', `There is no release before ${releaseName(from)} that was ever live here.`)
  const artifact = await read.artifacts.get(scope, to.artifactId)
  if (artifact.removedAt !== null) throw await artifactGone(read, { release: to, environment })
  return { from, to }
}

interface Served {
  readonly from: Release
  readonly releases: readonly Release[]
}

/**
 * The last good release: of what served before the one that serves now, the newest that is proven. A
 * release that a rollback left behind was not good, and one with the same image and configuration undoes nothing.
 */
async function servedBefore(read: Pick<ReadStore, 'deployments' | 'pins'>, environment: Environment, among: Served): Promise<Release | undefined> {
  const where = { environmentId: environment.id }
  const scope = { projectId: environment.projectId }
  const succeeded = await read.deployments.list(scope, {
    where: { ...where, status: 'succeeded', verb: ['deploy', 'rollback'] },
    orderBy: 'number',
    descending: true,
  })
  const pins = await read.pins.list({ projectId: null }, { where })
  const isBad = (release: Release): boolean => pins.some((pin) => pin.artifactId === release.artifactId && pin.configRevisionId === release.configRevisionId)
  const isSame = (release: Release): boolean => release.artifactId === among.from.artifactId && release.configRevisionId === among.from.configRevisionId
  // The current one may still be on its way in: then what serves is the first to go back to.
  const before = [environment.wish.releaseId, ...succeeded.map((deployment) => deployment.previous.releaseId)]
  const served = before.flatMap((id) => among.releases.filter((one) => one.id === id && one.id !== among.from.id))
  const good = served.filter((release) => release.liveAt !== null && release.fault === null && !isBad(release) && !isSame(release))
  // Of releases that were all replaced before their observation window had passed, the newest without a finding has to do.
  return good.find((release) => release.provenAt !== null) ?? good[0]
}

async function makeHead(
  tx: Tx,
  input: { readonly environment: Environment; readonly to: Release; readonly actor: Actor; readonly now: number },
): Promise<string[]> {
  const { environment, to } = input
  const head = await headRevision(tx, environment)
  const target = await tx.configRevisions.get({ projectId: environment.projectId }, to.configRevisionId)
  const keys = new Set([...Object.keys(head?.values ?? {}), ...Object.keys(target.values)])
  const undoes = [...keys].filter((key) => JSON.stringify(head?.values[key]) !== JSON.stringify(target.values[key])).sort()
  if (undoes.length > 0)
    await addRevision(tx, { environment, values: target.values, note: `rollback to ${releaseName(to)}`, actor: input.actor, now: input.now })
  return undoes
}

interface Pinning {
  readonly environment: Environment
  /** The release that is left behind, and the one that is gone back to. */
  readonly from: Release
  readonly to: Release
  readonly now: number
  readonly reason: string
}

/** A rollback that did not come to its end pins nothing: the release that it was to leave behind still serves. */
export async function unpinAfter(tx: Tx, { verb, environmentId, createdAt }: Deployment): Promise<void> {
  if (verb !== 'rollback') return
  for (const pin of await tx.pins.list(EVERYTHING, { where: { environmentId, createdAt } })) await tx.removePins(environmentId, pin)
}

/** The pair (artifact, configuration) that is left behind is refused to what deploys by itself. */
export async function pinRelease(tx: Tx, { environment, from, to, now, reason }: Pinning): Promise<void> {
  await tx.removePins(environment.id, to)
  if (from.id === to.id) return
  await tx.removePins(environment.id, from)
  await tx.pins.insert({ environmentId: environment.id, artifactId: from.artifactId, configRevisionId: from.configRevisionId, reason, createdAt: now })
}
