import { type Arm, otherArm } from '../../environment/environment.ts'
import type { Batch } from '../step.ts'
import type { Wanted, World } from '../world.ts'
import { bringUp, leaving, ordinals, serves, step, takeDown } from './moves.ts'

/** The whole new set starts in the other arm, one switch moves the traffic, then the old set leaves. */
export function blueGreen(world: World, wanted: Wanted): Batch[] {
  const others = leaving(world, wanted)
  const arm = candidateArm(world, wanted)
  const mine = ordinals(world, wanted)
  const inTheWay = others.filter((instance) => instance.arm === arm && arm !== world.liveArm)
  const rest = others.filter((instance) => !inTheWay.includes(instance))
  const switching = arm !== world.liveArm || !world.liveArmConfirmed
  return [
    { lanes: inTheWay.map(takeDown) },
    { lanes: mine.map((slot) => bringUp(slot, { set: wanted.set, arm, world })) },
    { lanes: switching ? [[step('switch', { set: wanted.set, ordinal: -1, arm })]] : [] },
    { lanes: rest.map(takeDown) },
  ]
}

/** Where the wanted set is, or where it can be without touching what serves. */
export function candidateArm(world: World, wanted: Wanted): Arm {
  const mine = world.instances.filter((instance) => instance.set === wanted.set && instance.container !== 'absent')
  if (mine.length > 0) return mine.some((instance) => instance.arm === world.liveArm) ? world.liveArm : otherArm(world.liveArm)
  // Also what the edge has yet to confirm: a moment in which a leftover was removed must not make this a rolling deployment.
  const served = world.instances.some(
    (instance) => instance.set !== wanted.set && instance.arm === world.liveArm && serves({ ...instance, unconfirmed: false }, world),
  )
  return served ? otherArm(world.liveArm) : world.liveArm
}
