import { ConflictError, NotFoundError } from '../../lib/errors.ts'
import type { Tx } from '../../store/types.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import type { Domain, HostName, PathPrefix } from './route.ts'

export interface DomainClaim {
  readonly environment: Environment
  readonly host: HostName
  readonly path: PathPrefix
  readonly kind: Domain['kind']
  readonly actor: Actor
  readonly now: number
}

/** Claims a hostname and path for an environment; the same claim twice is one. Throws ConflictError `domain.taken`. */
export async function claimDomain(tx: Tx, claim: DomainClaim): Promise<Environment> {
  const { environment, host, path, actor } = claim
  const existing = (await tx.domains.list({ projectId: null }, { where: { host, path }, limit: 1 }))[0]
  if (existing?.environmentId === environment.id) return environment
  if (existing)
    throw new ConflictError(
      'domain.taken',
      `${host}${path === '/' ? '' : path} belongs to another app or environment. Remove it there first ("lockgate domain remove").`,
    )
  await tx.domains.insert({ host, path, environmentId: environment.id, projectId: environment.projectId, kind: claim.kind, createdAt: claim.now })
  await tx.record({
    kind: 'domain.added',
    actor,
    projectId: environment.projectId,
    appId: environment.appId,
    environmentId: environment.id,
    subject: host,
    data: { host, path },
  })
  return tx.environments.save(environment, { ...environment, routeGeneration: await tx.nextEdgeGeneration() })
}

export interface DomainChange {
  readonly actor: Actor
  readonly environment: Environment
  readonly host: HostName
  readonly path: PathPrefix
}

/** Adds a hostname of one's own. */
export function addDomain(context: Pick<Context, 'store' | 'clock'>, input: DomainChange): Promise<Environment> {
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    return claimDomain(tx, { environment, host: input.host, path: input.path, kind: 'own', actor: input.actor, now: context.clock.now() })
  })
}

/** Gives a hostname back. Throws NotFoundError `domain.not_found`, ConflictError `domain.generated`. */
export function removeDomain(context: Pick<Context, 'store'>, input: DomainChange): Promise<Environment> {
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    const claims = await tx.domains.list({ projectId: environment.projectId }, { where: { host: input.host, path: input.path, environmentId: environment.id } })
    if (!claims[0]) throw new NotFoundError('domain.not_found', `${input.host}${input.path} does not lead here.`)
    if (claims[0].kind === 'generated') throw new ConflictError('domain.generated', `${input.host} comes with the environment and stays as long as it.`)
    await tx.removeDomain(input.host, input.path)
    await tx.record({
      kind: 'domain.removed',
      actor: input.actor,
      projectId: environment.projectId,
      appId: environment.appId,
      environmentId: environment.id,
      subject: input.host,
      data: { host: input.host, path: input.path },
    })
    return tx.environments.save(environment, { ...environment, routeGeneration: await tx.nextEdgeGeneration() })
  })
}
