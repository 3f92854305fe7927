import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { SecretContext } from '../secret/secret.ts'
import type { RegistryCredential } from './registry.ts'

/** A sealed password opens only for the registry it was set for. */
export function registryContext(host: string): SecretContext {
  return { environmentId: 'registry', name: host, version: 1 }
}

/** The credential for a registry; null: none is kept. Throws RejectedError `secret.cannot_open`. */
export async function registryCredential(context: Pick<Context, 'store' | 'sealer'>, host: string): Promise<RegistryCredential | null> {
  const registry = await context.store.read.registries.find(EVERYTHING, host)
  if (!registry) return null
  const { username, trust } = registry
  return { host, username, trust, password: context.sealer.open(registry.credential, registryContext(host)) }
}
