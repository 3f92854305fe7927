import type { Batch, Plan } from './step.ts'
import { blueGreen } from './strategies/blue-green.ts'
import { inOrder, step, takeDown } from './strategies/moves.ts'
import { rolling } from './strategies/rolling.ts'
import type { World } from './world.ts'

/**
 * The whole list of steps that lead from the world to the wish, in the order of the flow: check → stop traffic → stop →
 * update → start → resume traffic. Pure: the same world gives the same plan, and the plan of the world after its first
 * batch is the rest of it. Going back is planning towards the old wish.
 */
export function plan(world: World): Plan {
  const once = world.once.map((kind): Batch => ({ lanes: [[step(kind, { set: world.wanted?.set ?? 0, ordinal: -1, arm: null })]] }))
  const moves = world.wanted === null ? stopAll(world) : world.strategy.kind === 'blue-green' ? blueGreen(world, world.wanted) : rolling(world, world.wanted)
  return { batches: [...once, ...moves].filter((batch) => batch.lanes.some((lane) => lane.length > 0)).map(withoutEmptyLanes) }
}

function withoutEmptyLanes(batch: Batch): Batch {
  return { lanes: batch.lanes.filter((lane) => lane.length > 0) }
}

function stopAll(world: World): Batch[] {
  return [{ lanes: inOrder(world.instances).map(takeDown) }]
}
