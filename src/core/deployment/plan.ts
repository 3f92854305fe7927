import { type Arm, otherArm } from '../environment/environment.ts'
import type { Batch, Plan } from './step.ts'
import { blueGreen } from './strategies/blue-green.ts'
import { canary } from './strategies/canary.ts'
import { inOrder, shareStep, step, takeDown } from './strategies/moves.ts'
import { recreate } from './strategies/recreate.ts'
import { rolling } from './strategies/rolling.ts'
import type { Wanted, World } from './world.ts'

/**
 * The whole list of steps that lead from the world to the wish, in the order of the flow: check → stop traffic → stop →
 * update → start → resume traffic. Pure: the same world gives the same plan, and the plan of the world after its first
 * batch is the rest of it. Going back is planning towards the old wish.
 */
export function plan(world: World): Plan {
  const set = world.wanted?.set ?? 0
  const once = world.once.map((kind): Batch => ({ lanes: [[step(kind, { set, ordinal: -1, arm: null })]] }))
  const moves = world.wanted === null ? stopAll(world) : movesOf(world, world.wanted)
  const batches = [...once, ...takeShareBack(world), ...moves, ...endHold(world, set)]
  return { batches: batches.filter((batch) => batch.lanes.some((lane) => lane.length > 0)).map(withoutEmptyLanes) }
}

function movesOf(world: World, wanted: Wanted): Batch[] {
  const { strategy } = world
  switch (strategy.kind) {
    case 'rolling':
      return rolling(world, wanted, strategy.surge)
    case 'blue-green':
      return blueGreen(world, wanted)
    case 'recreate':
      return recreate(world, wanted, strategy.holdMs)
    case 'canary':
      return canary(world, wanted, strategy.steps)
  }
}

/** A share belongs to the set that is wanted: any other gives it back before anything moves. */
function takeShareBack(world: World): Batch[] {
  if (world.share === 0) return []
  const arm: Arm = otherArm(world.liveArm)
  const isOurs = world.instances.some((instance) => instance.set === world.wanted?.set && instance.arm === arm && instance.traffic === 'in')
  return isOurs ? [] : [{ lanes: [[shareStep('shift-traffic', { set: world.wanted?.set ?? 0, arm, percent: 0 })]] }]
}

/** Whatever comes of it, nobody waits longer than until the last move. */
function endHold(world: World, set: number): Batch[] {
  return world.holds ? [{ lanes: [[step('end-hold', { set, ordinal: -1, arm: null })]] }] : []
}

/**
 * What a deployment that stands still needs: instances that get requests and have no running container come again, whatever
 * set they belong to. They stay named at the edge, whose own check keeps requests from them meanwhile: nothing else of a
 * half-way world says that they belong into traffic. undefined: nothing is missing. Pure.
 */
export function repairs(world: World): Batch | undefined {
  const broken = inOrder(world.instances).filter(({ traffic, container }) => traffic === 'in' && container !== 'running')
  if (broken.length === 0) return undefined
  return { lanes: broken.map((instance) => [...(instance.container === 'absent' ? [step('update', instance)] : []), step('start', instance)]) }
}

function withoutEmptyLanes(batch: Batch): Batch {
  return { lanes: batch.lanes.filter((lane) => lane.length > 0) }
}

function stopAll(world: World): Batch[] {
  return [{ lanes: inOrder(world.instances).map(takeDown) }]
}
