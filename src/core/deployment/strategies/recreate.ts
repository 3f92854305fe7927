import type { Batch } from '../step.ts'
import type { Wanted, World } from '../world.ts'
import { bringUp, getsRequests, leaving, ordinals, step, takeDown } from './moves.ts'

/**
 * Every old instance leaves before a new one comes: two releases never run at once. Requests wait in the edge from before the
 * first leaves until the last has come; the plan ends the hold. `holdMs` 0: nobody waits.
 */
export function recreate(world: World, wanted: Wanted, holdMs: number): Batch[] {
  const others = leaving(world, wanted)
  const lanes = ordinals(world, wanted).map((slot) => bringUp(slot, { set: wanted.set, arm: world.liveArm, world }))
  // Fewer of the same set (a scale) need no hold: the others go on.
  const empties = others.some((instance) => getsRequests(instance, world)) && lanes.some((lane) => lane.length > 0)
  const holds = empties && !world.holds && holdMs > 0
  return [{ lanes: holds ? [[step('hold', { set: wanted.set, ordinal: -1, arm: null })]] : [] }, { lanes: others.map(takeDown) }, { lanes }]
}
