import { InvalidError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { registryContext } from './credential.ts'
import type { Registry, RegistryTrust } from './registry.ts'

export interface SetRegistry {
  readonly actor: Actor
  readonly host: string
  readonly username: string
  readonly password: string
  readonly trust: RegistryTrust
}

const HOST = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:\d{1,5})?$/

function isPort(text: string | undefined): boolean {
  return text === undefined || (Number(text) >= 1 && Number(text) <= 65_535)
}

/** Keeps who we are for a registry of images, in place of what was kept. Throws InvalidError `registry.invalid`. */
export async function setRegistry(context: Pick<Context, 'store' | 'clock' | 'sealer'>, input: SetRegistry): Promise<Registry> {
  const { host, username, password, actor, trust } = input
  if (!HOST.test(host) || !isPort(host.split(':')[1]))
    throw new InvalidError(
      'registry.invalid',
      `"${host.slice(0, 100)}" is not a registry: write its host as in names of images, e.g. registry.example.net or 127.0.0.1:5000`,
    )
  if (!/^[^\s:\p{C}]+$/u.test(username) || password === '' || /\p{Cc}/u.test(password))
    throw new InvalidError('registry.invalid', 'A user name has no spaces, no ":" and no control characters, and a password is one line.')
  const registry: Registry = {
    host,
    username,
    credential: context.sealer.seal(password, registryContext(host)),
    trust,
    actor,
    createdAt: context.clock.now(),
  }
  return context.store.transaction(async (tx) => {
    await tx.registries.remove(host)
    await tx.registries.insert(registry)
    await tx.record({ kind: 'registry.set', actor, projectId: '', subject: host, data: { username, trust } })
    return registry
  })
}

/** Forgets a registry's credential. Throws NotFoundError `registry.not_found`. */
export function removeRegistry(context: Pick<Context, 'store'>, input: { readonly actor: Actor; readonly host: string }): Promise<Registry> {
  return context.store.transaction(async (tx) => {
    const registry = await tx.registries.get(EVERYTHING, input.host)
    await tx.registries.remove(input.host)
    await tx.record({ kind: 'registry.removed', actor: input.actor, projectId: '', subject: input.host, data: {} })
    return registry
  })
}
