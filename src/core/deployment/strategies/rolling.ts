import type { Batch, Step } from '../step.ts'
import type { InstanceView, Wanted, World } from '../world.ts'
import { bringUp, getsRequests, leaving, ordinals, serves, takeDown } from './moves.ts'

/** New instances start beside the old ones in the live arm, `surge` at a time, and as many old ones leave after them. */
export function rolling(world: World, wanted: Wanted, surge: number): Batch[] {
  const arm = world.liveArm
  const others = leaving(world, wanted)
  const inTraffic = others.filter((instance) => getsRequests(instance, world))
  const weak = inTraffic.filter((instance) => !serves(instance, world))
  const queue = inTraffic.filter((instance) => serves(instance, world))
  const lanes = ordinals(world, wanted).map((slot) => bringUp(slot, { set: wanted.set, arm, world }))
  const incomplete = lanes.filter((lane) => lane.length > 0)
  // Leftovers that get no requests are in nobody's way but their own: they go first.
  const batches: Batch[] = [{ lanes: others.filter((instance) => !inTraffic.includes(instance)).map(takeDown) }]
  // Nobody serves yet: there is nothing to be careful with, all start side by side.
  if (inTraffic.length === 0) return [...batches, { lanes: incomplete }]
  if (surge === 0) return [...batches, ...strictOrder(incomplete, [...weak, ...queue], wanted.count)]
  let serving = lanes.length - incomplete.length + queue.length
  const leave = (): Batch => {
    const spare = queue.splice(0, Math.max(0, serving - wanted.count))
    serving -= spare.length
    return { lanes: spare.map(takeDown) }
  }
  batches.push(leave())
  for (let at = 0; at < incomplete.length; at += surge) {
    const starting = incomplete.slice(at, at + surge)
    batches.push({ lanes: starting })
    serving += starting.length
    // Old instances that do not answer are kept only until somebody else does.
    batches.push({ lanes: weak.splice(0).map(takeDown) }, leave())
  }
  return [...batches, { lanes: [...weak, ...queue].map(takeDown) }]
}

/** `surge: 0`: one leaves, then one comes; never more than the count together, never two places empty at once. */
function strictOrder(incomplete: readonly (readonly Step[])[], old: readonly InstanceView[], count: number): Batch[] {
  const batches: Batch[] = []
  const coming = [...incomplete]
  const going = [...old]
  let complete = count - incomplete.length
  while (coming.length > 0 || going.length > 0) {
    const oldest = going.length + complete >= count ? going.shift() : undefined
    const next = oldest ? undefined : coming.shift()
    if (oldest) batches.push({ lanes: [takeDown(oldest)] })
    if (next) {
      batches.push({ lanes: [next] })
      complete += 1
    }
  }
  return batches
}
