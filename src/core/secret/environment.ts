import { RejectedError } from '../../lib/errors.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Release } from '../release/release.ts'

/** The environment variables of a release, secrets opened: only for the instance itself, never for an answer or a log. */
export async function environmentOf(context: Pick<Context, 'store' | 'sealer'>, release: Pick<Release, 'configRevisionId'>): Promise<Record<string, string>> {
  const { values } = await open(context, release)
  return values
}

/** The secret values of a release, for redaction. */
export async function secretValuesOf(context: Pick<Context, 'store' | 'sealer'>, release: Pick<Release, 'configRevisionId'>): Promise<string[]> {
  const { values, secret } = await open(context, release)
  return secret.map((key) => values[key] ?? '')
}

async function open(
  context: Pick<Context, 'store' | 'sealer'>,
  release: Pick<Release, 'configRevisionId'>,
): Promise<{ values: Record<string, string>; secret: string[] }> {
  const revision = await context.store.read.configRevisions.get(EVERYTHING, release.configRevisionId)
  const values: Record<string, string> = {}
  const secret: string[] = []
  for (const [key, value] of Object.entries(revision.values)) {
    if (value.kind === 'plain') {
      values[key] = value.value
      continue
    }
    const row = await context.store.read.secretVersions.get(EVERYTHING, value.secretId)
    if (row.revokedAt !== null)
      throw new RejectedError(
        'secret.revoked',
        `Version ${row.version} of the secret ${key} was revoked and is not used again; set it anew with "lockgate config set --secret ${key}".`,
      )
    values[key] = context.sealer.open(row.sealed, { environmentId: row.environmentId, name: row.name, version: row.version })
    secret.push(key)
  }
  return { values, secret }
}
