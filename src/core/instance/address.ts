import type { Subnet } from '../../drivers/runtime/types.ts'
import { UnavailableError } from '../../lib/errors.ts'
import { block, formatAddress, formatRange, type Range } from '../../lib/ipv4.ts'
import type { Environment } from '../environment/environment.ts'
import { INSTANCE_ADDRESSES } from '../environment/strategy.ts'
import type { Instance } from './instance.ts'

const PREFIX = 26
/** Network, gateway and one the engine may want for itself stay free; the last is broadcast. One-offs take from the end. */
const FIRST = 3

/** The network of an environment: its /26 of the instance range, the gateway at its first address. */
export function subnetOf(environment: Environment, range: Range): Subnet {
  const own = block(range, PREFIX, environment.subnet)
  return { environmentId: environment.id, projectId: environment.projectId, cidr: formatRange(own), gateway: formatAddress(own.first + 1) }
}

/**
 * An address that no instance has, and that no edge may still name: one that was given back is free only once the edge
 * confirmed the generation without it, and one that something else has (`foreign`) never is. The one longest unused comes first. Throws UnavailableError `address.none_free`.
 */
export function freeAddress(
  subnet: Range,
  known: readonly Instance[],
  taken: { readonly confirmedGeneration: number; readonly foreign: readonly string[] },
): string {
  const lastUse = new Map<string, number>()
  for (const instance of known) {
    const blocked = instance.removedAt === null || instance.removedGeneration > taken.confirmedGeneration
    lastUse.set(instance.address, Math.max(lastUse.get(instance.address) ?? 0, blocked ? Number.POSITIVE_INFINITY : (instance.removedAt ?? 0)))
  }
  const candidates = Array.from({ length: INSTANCE_ADDRESSES }, (_, at) => formatAddress(subnet.first + FIRST + at))
  const free = candidates
    .filter((address) => !taken.foreign.includes(address) && lastUse.get(address) !== Number.POSITIVE_INFINITY)
    .sort((a, b) => (lastUse.get(a) ?? 0) - (lastUse.get(b) ?? 0))
  if (free[0] === undefined)
    throw new UnavailableError(
      'address.none_free',
      'Every address of this environment is in use or still named by the edge; this ends by itself when the edge has confirmed.',
    )
  return free[0]
}

/** The /26 of an environment as a range. */
export function rangeOf(environment: Environment, range: Range): Range {
  return block(range, PREFIX, environment.subnet)
}
