// When state.json is gone or broken: the pool as a running worker shows it. Pure.
import type { RouteArm } from '../../../core/route/route.ts'
import { PARKED } from './config.ts'
import type { View } from './difference.ts'
import { CLASSES, type Pool, type PoolBackend, type Slot } from './schema.ts'

/**
 * Every slot that points somewhere counts as leaving: it is drained and not given to anybody before nothing is in flight to it.
 * Its instance is the one that has its address now, or a name nobody asks for.
 */
export function recoveredPool(view: View, arms: readonly RouteArm[]): Pool {
  const targets = new Map(arms.flatMap((arm) => arm.targets.map((target) => [`${target.address} ${target.port}`, target.instance] as const)))
  const counts: Record<string, number> = Object.fromEntries(CLASSES.map((size) => [size.name, 0]))
  const backends: Record<string, PoolBackend> = {}
  for (const size of CLASSES) {
    for (let number = 0; ; number += 1) {
      const name = `${size.name}_${String(number).padStart(3, '0')}`
      if (!view.slots.has(`${name}/s1`)) break
      counts[size.name] = number + 1
      const slots = Array.from({ length: size.slots }, (_, index): Slot | null => {
        const held = view.slots.get(`${name}/s${index + 1}`)
        if (!held || (held.address === PARKED.address && held.port === PARKED.port)) return null
        const { address, port } = held
        return { instance: targets.get(`${address} ${port}`) ?? `unknown ${address}:${port}`, address, port, ready: false, leaving: true }
      })
      if (slots.some((slot) => slot !== null)) backends[name] = { arm: 'unknown', retired: true, slots }
    }
  }
  return { counts, backends }
}
