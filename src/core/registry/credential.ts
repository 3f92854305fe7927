import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { SecretContext } from '../secret/secret.ts'
import type { Trust } from '../trust/trust.ts'
import type { RegistryCredential } from './registry.ts'

/** A sealed password opens only for the registry it was set for. */
export function registryContext(host: string): SecretContext {
  return { environmentId: 'registry', name: host, version: 1 }
}

/** The credential for a registry; null: none is kept. Throws RejectedError `secret.cannot_open`. */
export async function registryCredential(context: Pick<Context, 'store' | 'sealer'>, host: string): Promise<RegistryCredential | null> {
  const registry = await context.store.read.registries.find(EVERYTHING, host)
  return registry && { host, username: registry.username, password: context.sealer.open(registry.credential, registryContext(host)) }
}

/** The least level at which the credential of a registry and its images are used; untrusted: no credential is kept, its images are everybody's. */
export async function registryLevel(context: Pick<Context, 'store'>, host: string): Promise<Trust> {
  return (await context.store.read.registries.find(EVERYTHING, host))?.trust ?? 'untrusted'
}
