import type { Batch } from '../step.ts'
import type { Wanted, World } from '../world.ts'
import { blueGreen, candidateArm } from './blue-green.ts'
import { shareStep } from './moves.ts'

/**
 * Blue-green in which the switch comes last: the new set gets a growing share of the requests first, and is watched at each.
 * Where nothing serves yet, or the wanted set is live already, there is nothing to compare with. `steps`: percentages.
 */
export function canary(world: World, wanted: Wanted, steps: readonly number[]): Batch[] {
  const arm = candidateArm(world, wanted)
  const whole = blueGreen(world, wanted)
  if (arm === world.liveArm) return whole
  const ahead = steps.filter((percent) => percent > world.soaked)
  const shares = ahead.flatMap((percent): Batch[] => [
    // A share that is confirmed is not shifted again; one that has gone further is never taken back.
    {
      lanes:
        world.share >= percent && (world.liveArmConfirmed || world.share > percent) ? [] : [[shareStep('shift-traffic', { set: wanted.set, arm, percent })]],
    },
    { lanes: [[shareStep('soak', { set: wanted.set, arm, percent })]] },
  ])
  const at = whole.findIndex((batch) => batch.lanes.some((lane) => lane[0]?.kind === 'switch'))
  return [...whole.slice(0, at), ...shares, ...whole.slice(at)]
}
