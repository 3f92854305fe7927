import { NotFoundError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import type { SecretVersion } from './secret.ts'

export interface RevokeSecret {
  readonly actor: Actor
  readonly environment: Environment
  readonly key: string
  readonly version: number
}

/**
 * Never uses a version of a secret again, also not in a rollback; what runs with it goes on until it is replaced. Asking
 * twice is asking once. Throws NotFoundError `secret_version.not_found`.
 */
export function revokeSecret(context: Pick<Context, 'store' | 'clock'>, input: RevokeSecret): Promise<SecretVersion> {
  const { environment, key, version, actor } = input
  return context.store.transaction(async (tx) => {
    const where = { environmentId: environment.id, name: key, version }
    const found = (await tx.secretVersions.list({ projectId: environment.projectId }, { where, limit: 1 }))[0]
    if (!found) throw new NotFoundError('secret_version.not_found', `${environment.name} has no version ${version} of a secret ${key}.`)
    if (found.revokedAt !== null) return found
    const revokedAt = context.clock.now()
    await tx.secretVersions.set(found.id, { revokedAt })
    await tx.record({
      kind: 'secret.revoked',
      actor,
      projectId: environment.projectId,
      appId: environment.appId,
      environmentId: environment.id,
      subject: found.id,
      data: { key, version },
    })
    return { ...found, revokedAt }
  })
}
