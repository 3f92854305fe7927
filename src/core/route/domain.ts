import { textRecords } from '../../lib/dns-text.ts'
import { ConflictError, ForbiddenError, InvalidError, messageOf, NotFoundError, RejectedError, UnavailableError } from '../../lib/errors.ts'
import type { Tx } from '../../store/types.ts'
import { type Actor, EVERYTHING } from '../actor/actor.ts'
import { may } from '../actor/may.ts'
import type { Context, CoreSettings } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import { type NameReason, proofNames, reservedBecause, rivalOf } from './ownership.ts'
import type { Domain, HostName, PathPrefix } from './route.ts'

export interface DomainClaim {
  readonly environment: Environment
  readonly host: HostName
  readonly path: PathPrefix
  readonly kind: Domain['kind']
  readonly actor: Actor
  readonly now: number
}

/**
 * Claims a hostname and path for an environment; the same claim twice is one. A host belongs to one project with all its paths,
 * and so does what a wildcard covers. Throws ConflictError `domain.taken`.
 */
export async function claimDomain(tx: Tx, claim: DomainClaim): Promise<Environment> {
  const { environment, host, path, actor } = claim
  const near = await claimsNear(tx, host)
  const existing = near.find((one) => one.host === host && one.path === path)
  if (existing?.environmentId === environment.id) return environment
  if (existing || rivalOf(host, environment.projectId, near))
    throw new ConflictError(
      'domain.taken',
      existing && existing.projectId === environment.projectId
        ? `${host}${path === '/' ? '' : path} belongs to another app or environment. Remove it there first ("lockgate domain remove").`
        : `${host} belongs to another project, with all its paths and what its wildcards cover. A hostname serves one project; ask its members to give it back.`,
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

/** Claims of this host, and those that a wildcard connects with it. */
function claimsNear(tx: Tx, host: HostName): Promise<Domain[]> {
  if (host.startsWith('*.')) return tx.domains.list(EVERYTHING)
  return tx.domains.list(EVERYTHING, { where: { host: [host, `*.${host.slice(host.indexOf('.') + 1)}` as HostName] } })
}

/**
 * Adds a hostname of one's own. Throws InvalidError `domain.reserved` for generated names, ForbiddenError `domain.needs_admin`
 * for names that only an administrator of the installation may claim, RejectedError `domain.not_proven` where a DNS record is required and
 * missing, ConflictError `domain.taken`.
 */
export async function addDomain(context: Pick<Context, 'store' | 'clock' | 'settings'>, input: DomainChange): Promise<Environment> {
  refuseReserved(context.settings, input)
  if (!may(input.actor, 'domain.claim_any')) await mustBeProven(context, input)
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    return claimDomain(tx, { environment, host: input.host, path: input.path, kind: 'own', actor: input.actor, now: context.clock.now() })
  })
}

function refuseReserved(settings: CoreSettings, { host, actor }: DomainChange): void {
  const reason = reservedBecause(host, settings)
  if (reason === null) return
  if (reason === 'generated')
    throw new InvalidError(
      'domain.reserved',
      `${host} lies under ${settings.appsDomain}, whose names Lockgate generates: production of an app is <app>.${settings.appsDomain}. Create an app or environment of that name.`,
    )
  if (!may(actor, 'domain.claim_any'))
    throw new ForbiddenError('domain.needs_admin', `${host} ${RESERVED[reason]}; only an administrator of the whole installation may add it.`)
}

const RESERVED: Readonly<Record<Exclude<NameReason, 'generated'>, string>> = {
  address: 'is an address, not a name',
  single_label: 'has one label and belongs to this network',
  bare_suffix: 'is a suffix under which strangers register names',
  wide_wildcard: 'stands for names of strangers',
  console: 'is where the API of this installation answers',
}

/** With the setting `domains.proof: txt` the DNS says that the project may use the name. */
async function mustBeProven({ settings, store }: Pick<Context, 'settings' | 'store'>, { host, environment }: DomainChange): Promise<void> {
  if (settings.domainProof === null) return
  const wanted = `lockgate-project=${store.installation}/${environment.projectId}`
  const names = proofNames(host)
  for (const name of names) {
    const records = await textRecords(name, settings.domainProof.resolvers).catch((cause: unknown) => {
      throw new UnavailableError('domain.no_dns', `The TXT records of ${name} could not be asked for: ${messageOf(cause)}. Try again.`, { cause })
    })
    if (records.includes(wanted)) return
  }
  throw new RejectedError(
    'domain.not_proven',
    `Nothing in the DNS says that this project may use ${host}. Add a TXT record ${names.at(-1)} with the text "${wanted}", and try again when it can be seen.`,
  )
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
