import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { SecretContext } from '../secret/secret.ts'

/** Who we are for a registry, opened: for the engine and nobody else. */
export interface RegistryCredential {
  readonly host: string
  readonly username: string
  readonly password: string
}

/** A sealed password opens only for the registry it was set for. */
export function registryContext(host: string): SecretContext {
  return { environmentId: 'registry', name: host, version: 1 }
}

/** The credential for a registry; null: none is kept. Throws RejectedError `secret.cannot_open`. */
export async function registryCredential(context: Pick<Context, 'store' | 'sealer'>, host: string): Promise<RegistryCredential | null> {
  const registry = await context.store.read.registries.find(EVERYTHING, host)
  return registry && { host, username: registry.username, password: context.sealer.open(registry.credential, registryContext(host)) }
}
