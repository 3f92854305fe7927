import { InvalidError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { ownOf } from '../../lib/own.ts'
import type { ReadStore, Tx } from '../../store/types.ts'
import { type Actor, type ActorRef, EVERYTHING } from '../actor/actor.ts'
import type { Artifact } from '../artifact/artifact.ts'
import type { Context } from '../context.ts'
import type { Deployment } from '../deployment/deployment.ts'
import { openDeployment } from '../deployment/open.ts'
import type { Environment } from '../environment/environment.ts'
import { createRelease } from '../release/create.ts'
import type { ConfigRevision, ConfigValue } from './config-revision.ts'

export interface ConfigChange {
  readonly actor: Actor
  readonly environment: Environment
  readonly set: Readonly<Record<string, string>>
  /** Keys among `set` whose values are sealed, and never shown again. */
  readonly secret: readonly string[]
  readonly unset: readonly string[]
}

export interface Revised {
  readonly revision: ConfigRevision
  /** null before the first artifact: a revision, and no release. */
  readonly deployment: Deployment | null
  /** Changed keys whose earlier value the build read: it may stand in the image until the next build. */
  readonly builtIn: readonly string[]
}

const LARGEST_VALUE = 64 * 1024
const MOST_KEYS = 500
/** What a program is given besides its own: execve(2) takes a quarter of the stack, 2 MiB, for arguments and variables together. */
const LARGEST_TOGETHER = 1024 * 1024

/**
 * Makes the next configuration revision of an environment: several keys, one revision, one release, one deployment.
 * Throws InvalidError `config.value_too_large`, `config.too_many_keys`, `config.too_large`, `config.no_such_key`, `config.nothing_changed`.
 */
export function revise(context: Pick<Context, 'store' | 'clock' | 'sealer'>, input: ConfigChange): Promise<Revised> {
  check(input)
  const now = context.clock.now()
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    const head = await headRevision(tx, environment)
    const values: Record<string, ConfigValue> = { ...head?.values }
    const absent = input.unset.filter((key) => !Object.hasOwn(values, key))
    if (absent.length > 0) throw new InvalidError('config.no_such_key', `There is no key ${absent.join(', ')} here; nothing was changed.`)
    for (const key of input.unset) delete values[key]
    for (const [key, value] of Object.entries(input.set)) {
      // A key that was secret stays secret: otherwise `config set` without --secret would lay it open.
      const sealed = input.secret.includes(key) || ownOf(head?.values ?? {}, key)?.kind === 'secret'
      values[key] = sealed ? await sealValue(context, tx, { environment, key, value, now }) : { kind: 'plain', value }
    }
    if (Object.keys(values).length > MOST_KEYS) throw new InvalidError('config.too_many_keys', `An environment has at most ${MOST_KEYS} configuration keys.`)
    await refuseTooLarge(tx, values)
    if (JSON.stringify(head?.values ?? {}) === JSON.stringify(values))
      throw new InvalidError('config.nothing_changed', 'Every key has that value already; nothing was changed.')
    const note = [...Object.keys(input.set).map((key) => `set ${key}`), ...input.unset.map((key) => `unset ${key}`)].join(', ')
    const revision = await addRevision(tx, { environment, values, note, actor: input.actor, now })
    const releaseId = await releaseToChange(tx, environment)
    const artifact = releaseId === null ? null : await tx.artifacts.get(EVERYTHING, (await tx.releases.get(EVERYTHING, releaseId)).artifactId)
    if (artifact === null) return { revision, deployment: null, builtIn: [] }
    const builtIn = [...Object.keys(input.set), ...input.unset].filter((key) =>
      isOtherThanBuilt(context, ownOf(artifact.buildValues, key), { key, value: ownOf(input.set, key) }),
    )
    return { revision, deployment: await deployRevision(tx, { environment, revision, artifact, actor: input.actor, now }), builtIn: builtIn.toSorted() }
  })
}

function check(input: ConfigChange): void {
  const large = Object.entries(input.set).find(([, value]) => Buffer.byteLength(value) > LARGEST_VALUE || value.includes('\0'))
  if (large)
    throw new InvalidError(
      'config.value_too_large',
      `The value of ${large[0]} is longer than 64 KiB or holds a NUL byte, which an environment variable cannot.`,
    )
}

/** With more no instance would start: the engine says "argument list too long", and goes back. */
async function refuseTooLarge(tx: Tx, values: Readonly<Record<string, ConfigValue>>): Promise<void> {
  let bytes = 0
  for (const [key, value] of Object.entries(values)) bytes += Buffer.byteLength(key) + 2 + (await bytesOf(tx, value))
  if (bytes > LARGEST_TOGETHER)
    throw new InvalidError(
      'config.too_large',
      `All keys and values together are ${Math.ceil(bytes / 1024)} KiB, and a program can be given 1024 KiB: put large values into files of the app, or fetch them.`,
    )
}

async function bytesOf(tx: Tx, value: ConfigValue): Promise<number> {
  if (value.kind === 'plain') return Buffer.byteLength(value.value)
  const { sealed } = await tx.secretVersions.get(EVERYTHING, value.secretId)
  return Buffer.byteLength(sealed.ciphertext, 'base64')
}

interface Sealing {
  readonly environment: Environment
  readonly key: string
  readonly value: string
  readonly now: number
}

async function sealValue(context: Pick<Context, 'sealer'>, tx: Tx, input: Sealing): Promise<ConfigValue> {
  const { environment, key } = input
  const version = await tx.secretVersions.next('version', { environmentId: environment.id, name: key })
  const sealed = context.sealer.seal(input.value, { environmentId: environment.id, name: key, version })
  const row = await tx.secretVersions.insert({
    id: newId('s'),
    projectId: environment.projectId,
    environmentId: environment.id,
    name: key,
    version,
    sealed,
    revokedAt: null,
    createdAt: input.now,
  })
  return { kind: 'secret', secretId: row.id, secretVersion: version }
}

/** The newest configuration revision of an environment, or null before the first. */
export async function headRevision(read: Pick<ReadStore, 'configRevisions'>, environment: Environment): Promise<ConfigRevision | null> {
  const revisions = await read.configRevisions.list(
    { projectId: environment.projectId },
    { where: { environmentId: environment.id }, orderBy: 'number', descending: true, limit: 1 },
  )
  return revisions[0] ?? null
}

interface AddRevision {
  readonly environment: Environment
  readonly values: Readonly<Record<string, ConfigValue>>
  readonly note: string
  readonly actor: ActorRef
  readonly now: number
}

/** Adds a revision as the head. */
export async function addRevision(tx: Tx, input: AddRevision): Promise<ConfigRevision> {
  const { environment } = input
  const revision = await tx.configRevisions.insert({
    id: newId('c'),
    projectId: environment.projectId,
    environmentId: environment.id,
    number: await tx.configRevisions.next('number', { environmentId: environment.id }),
    values: input.values,
    note: input.note,
    actor: input.actor,
    createdAt: input.now,
  })
  await tx.record({
    kind: 'config.revised',
    actor: input.actor,
    projectId: environment.projectId,
    appId: environment.appId,
    environmentId: environment.id,
    subject: revision.id,
    data: { number: revision.number, note: input.note },
  })
  return revision
}

/** The head, made empty when there is none yet. */
export async function ensureRevision(tx: Tx, input: Omit<AddRevision, 'values' | 'note'>): Promise<ConfigRevision> {
  return (await headRevision(tx, input.environment)) ?? addRevision(tx, { ...input, values: {}, note: 'empty' })
}

function isOtherThanBuilt(
  { sealer }: Pick<Context, 'sealer'>,
  built: string | undefined,
  now: { readonly key: string; readonly value: string | undefined },
): boolean {
  return built !== undefined && (now.value === undefined || sealer.fingerprint(now.key, now.value) !== built)
}

/** The release on its way in, else the one of the wish: a configuration must not bring an older artifact back. Null before the first. */
async function releaseToChange(tx: Tx, environment: Environment): Promise<string | null> {
  const coming = await comingDeployment(tx, environment)
  return coming?.request.releaseId ?? environment.wish.releaseId
}

async function comingDeployment(tx: Tx, environment: Environment): Promise<Deployment | null> {
  const found = await tx.deployments.list(
    { projectId: environment.projectId },
    {
      where: { environmentId: environment.id, status: ['queued', 'running'], verb: ['deploy', 'rollback'] },
      orderBy: 'number',
      descending: true,
      limit: 1,
    },
  )
  return found[0] ?? null
}

interface Deploying {
  readonly environment: Environment
  readonly revision: ConfigRevision
  readonly artifact: Artifact
  readonly actor: Actor
  readonly now: number
}

/** A release of the newest artifact with a new configuration, and its deployment; null in an environment that is stopped. */
async function deployRevision(tx: Tx, { environment, revision, artifact, actor, now }: Deploying): Promise<Deployment | null> {
  const release = await createRelease(tx, { environment, artifact, configRevision: revision, actor, now })
  if (!environment.wish.running && (await comingDeployment(tx, environment)) === null) return rememberRelease(tx, environment, release.id)
  return openDeployment(tx, { environment, verb: 'deploy', request: { releaseId: release.id, count: null }, actor, now, buildId: null })
}

/** A stopped environment stays stopped; it starts with the new configuration when it is started. */
async function rememberRelease(tx: Tx, environment: Environment, releaseId: string): Promise<null> {
  await tx.environments.save(environment, { ...environment, wish: { ...environment.wish, releaseId } })
  return null
}
