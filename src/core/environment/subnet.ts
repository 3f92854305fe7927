import type { Tx } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from './snapshot.ts'

/** The smallest index of a /26 that no environment has, from `least` on. */
export async function freeSubnet(tx: Tx, least = 0): Promise<number> {
  const taken = new Set((await tx.environments.list(EVERYTHING, { where: { goneAt: null } })).map((environment) => environment.subnet))
  let index = least
  while (taken.has(index)) index += 1
  return index
}

/**
 * Somebody else has a network on the addresses of this environment: it takes others, as long as nothing of it runs. False
 * when something does: its addresses are its own for life.
 */
export async function moveSubnet(context: Pick<Context, 'store' | 'log'>, snapshot: Snapshot): Promise<boolean> {
  if (snapshot.observed.size > 0) return false
  const { environment } = snapshot
  const subnet = await context.store.transaction(async (tx) => {
    const current = await tx.environments.get(EVERYTHING, environment.id)
    for (const instance of await tx.instances.list(EVERYTHING, { where: { environmentId: environment.id } })) await tx.instances.remove(instance.name)
    const moved = await tx.environments.save(current, {
      ...current,
      subnet: await freeSubnet(tx, current.subnet + 1),
      routeGeneration: await tx.nextEdgeGeneration(),
    })
    return moved.subnet
  })
  context.log.warn('addresses of an environment are taken by a network that is not ours; it gets others', { environment: environment.id, subnet })
  return true
}
