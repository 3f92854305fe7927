import { RejectedError } from '../../lib/errors.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Release } from '../release/release.ts'

/**
 * The environment variables of a release, secrets opened: only for the instance itself, never for an answer or a log. Throws
 * RejectedError `secret.revoked`.
 */
export async function variablesOf(context: Pick<Context, 'store' | 'sealer'>, release: Pick<Release, 'configRevisionId'>): Promise<Record<string, string>> {
  const entries = await open(context, release)
  for (const { key, revokedVersion } of entries)
    if (revokedVersion !== null)
      throw new RejectedError(
        'secret.revoked',
        `Version ${revokedVersion} of the secret ${key} was revoked and is not used again; set it anew with "lockgate config set --secret ${key}".`,
      )
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]))
}

/** The secret values of a release, for redaction: revoked ones too, because what still runs or was logged may hold them. */
export async function secretValuesOf(context: Pick<Context, 'store' | 'sealer'>, release: Pick<Release, 'configRevisionId'>): Promise<string[]> {
  return (await open(context, release)).flatMap(({ value, isSecret }) => (isSecret ? [value] : []))
}

interface Entry {
  readonly key: string
  readonly value: string
  readonly isSecret: boolean
  /** Number of the version, when it was revoked. */
  readonly revokedVersion: number | null
}

async function open({ store, sealer }: Pick<Context, 'store' | 'sealer'>, release: Pick<Release, 'configRevisionId'>): Promise<Entry[]> {
  const { values } = await store.read.configRevisions.get(EVERYTHING, release.configRevisionId)
  const entries: Entry[] = []
  for (const [key, value] of Object.entries(values)) {
    if (value.kind === 'plain') {
      entries.push({ key, value: value.value, isSecret: false, revokedVersion: null })
      continue
    }
    const { sealed, environmentId, name, version, revokedAt } = await store.read.secretVersions.get(EVERYTHING, value.secretId)
    const opened = sealer.open(sealed, { environmentId, name, version })
    entries.push({ key, value: opened, isSecret: true, revokedVersion: revokedAt === null ? null : version })
  }
  return entries
}
