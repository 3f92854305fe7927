import type { Context } from '../context.ts'
import type { Instance } from '../instance/instance.ts'
import { type Counted, countFrom, countOn, type Reading } from '../instance/reading.ts'

/**
 * One look at what the edge counted of these instances, kept with their records; gives the records as they are then. `anew`:
 * counting begins now. Throws UnavailableError `edge.unreachable`.
 */
export async function count(context: Pick<Context, 'edge' | 'store'>, instances: readonly Instance[], how: 'anew' | 'on' = 'on'): Promise<readonly Instance[]> {
  const named = instances.filter((instance) => instance.traffic !== 'none' && instance.removedAt === null)
  const readings = named.length === 0 ? new Map<string, Reading>() : await context.edge.readings(named.map((instance) => instance.name))
  const seen = instances.map((instance) => {
    const reading = readings.get(instance.name)
    return { before: instance, counted: reading === undefined ? instance.counted : next(instance.counted, reading, how) }
  })
  const changed = seen.filter(({ before, counted }) => JSON.stringify(before.counted) !== JSON.stringify(counted))
  if (changed.length === 0) return instances
  await context.store.transaction(async (tx) => {
    for (const { before, counted } of changed) await tx.instances.set(before.name, { counted })
  })
  return seen.map(({ before, counted }) => ({ ...before, counted }))
}

/** The edge counts from when it began to name the instance: what was never looked at is all its own. */
function next(counted: Counted | null, reading: Reading, how: 'anew' | 'on'): Counted {
  if (how === 'anew') return countFrom(reading)
  return countOn(counted ?? countFrom({ ...reading, requests: 0, failures: 0 }), reading)
}
