import { type Arm, otherArm, type ResolvedStrategy } from '../environment/environment.ts'
import type { Batch, Plan, Step, StepKind } from './step.ts'

/** What should run: `count` instances of one set; null: nothing. */
export interface Wanted {
  readonly set: number
  readonly count: number
}

/** One instance as the world shows it. */
export interface InstanceView {
  readonly set: number
  readonly ordinal: number
  readonly arm: Arm
  /** absent: no container of it exists (any more). */
  readonly container: 'absent' | 'created' | 'running' | 'exited'
  /** Our probes say that it answers. */
  readonly ready: boolean
  /** As every edge confirmed it: not named; gets requests; named but out of new requests. */
  readonly traffic: 'none' | 'in' | 'out'
  /** What we asked of the edge but it has not confirmed. */
  readonly unconfirmed: boolean
  /** Requests in flight; null: not known, so not zero. */
  readonly inFlight: number | null
  /** It must be replaced in place: it crashed, hangs, or is not what it should be. */
  readonly faulty: boolean
}

/** Everything a plan is made of; time does not come into it. */
export interface World {
  readonly wanted: Wanted | null
  readonly strategy: ResolvedStrategy
  readonly liveArm: Arm
  /** The edge has confirmed which arm is live. */
  readonly liveArmConfirmed: boolean
  readonly instances: readonly InstanceView[]
  /** One-time steps of the deployment that are still to be done, in order. */
  readonly once: readonly ('check' | 'release-command')[]
}

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

/** New instances start beside the old ones in the live arm, `surge` at a time, and as many old ones leave after them. */
function rolling(world: World, wanted: Wanted): Batch[] {
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
  if (world.strategy.surge === 0) return [...batches, ...strictOrder(incomplete, [...weak, ...queue], wanted.count)]
  let serving = lanes.length - incomplete.length + queue.length
  const leave = (): Batch => {
    const spare = queue.splice(0, Math.max(0, serving - wanted.count))
    serving -= spare.length
    return { lanes: spare.map(takeDown) }
  }
  batches.push(leave())
  for (let at = 0; at < incomplete.length; at += world.strategy.surge) {
    const starting = incomplete.slice(at, at + world.strategy.surge)
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

/** The whole new set starts in the other arm, one switch moves the traffic, then the old set leaves. */
function blueGreen(world: World, wanted: Wanted): Batch[] {
  const others = leaving(world, wanted)
  const arm = armOf(world, wanted)
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
function armOf(world: World, wanted: Wanted): Arm {
  const mine = world.instances.filter((instance) => instance.set === wanted.set && instance.container !== 'absent')
  if (mine.length > 0) return mine.some((instance) => instance.arm === world.liveArm) ? world.liveArm : otherArm(world.liveArm)
  const served = world.instances.some((instance) => instance.set !== wanted.set && instance.arm === world.liveArm && serves(instance, world))
  return served ? otherArm(world.liveArm) : world.liveArm
}

interface Slot {
  readonly ordinal: number
  readonly instance: InstanceView | null
}

function ordinals(world: World, wanted: Wanted): Slot[] {
  return Array.from({ length: wanted.count }, (_, ordinal) => ({
    ordinal,
    instance: world.instances.find((instance) => instance.set === wanted.set && instance.ordinal === ordinal) ?? null,
  }))
}

function leaving(world: World, wanted: Wanted): InstanceView[] {
  return inOrder(world.instances.filter((instance) => instance.set !== wanted.set || instance.ordinal >= wanted.count))
}

function inOrder(instances: readonly InstanceView[]): InstanceView[] {
  return instances.toSorted((a, b) => a.set - b.set || a.ordinal - b.ordinal)
}

/** New requests may reach it. */
function getsRequests(instance: InstanceView, world: World): boolean {
  return instance.traffic === 'in' && instance.arm === world.liveArm
}

/** It gets requests, can answer them, and the edge has said so. */
function serves(instance: InstanceView, world: World): boolean {
  return getsRequests(instance, world) && !instance.unconfirmed && instance.container === 'running' && instance.ready && !instance.faulty
}

/** What is still missing until this ordinal of the set serves in the arm. */
function bringUp(slot: Slot, target: { readonly set: number; readonly arm: Arm; readonly world: World }): Step[] {
  const place = { set: target.set, ordinal: slot.ordinal, arm: target.arm }
  const instance = slot.instance
  const start = [step('start', place), step('resume-traffic', place)]
  if (!instance) return [step('update', place), ...start]
  if (instance.faulty && instance.container !== 'absent') return [...takeDown(instance), step('update', place), ...start]
  const named = instance.traffic === 'in' || instance.unconfirmed
  if (instance.container === 'absent') return [...(named ? [step('stop-traffic', place)] : []), step('update', place), ...start]
  if (instance.container !== 'running') return [...(named ? [step('stop-traffic', place)] : []), ...start]
  if (!instance.ready) {
    // Out of traffic until it answers again, unless nobody else could answer in its place.
    const others = target.world.instances.some((other) => other !== instance && serves(other, target.world))
    return [...(named && others ? [step('stop-traffic', place)] : []), ...start]
  }
  return instance.traffic !== 'in' || instance.unconfirmed || instance.arm !== target.arm ? [step('resume-traffic', place)] : []
}

/** What is still missing until nothing of this instance is left: out of traffic and empty, then stopped, then gone. */
function takeDown(instance: InstanceView): Step[] {
  const place = { set: instance.set, ordinal: instance.ordinal, arm: instance.arm }
  const steps: Step[] = []
  const named = instance.traffic !== 'none' || instance.unconfirmed
  if (named && (instance.traffic === 'in' || instance.unconfirmed || instance.inFlight !== 0)) steps.push(step('stop-traffic', place))
  if (instance.container === 'running') steps.push(step('stop', place))
  return [...steps, step('remove', place)]
}

function step(kind: StepKind, place: { readonly set: number; readonly ordinal: number; readonly arm: Arm | null }): Step {
  return { key: place.ordinal < 0 ? `${place.set}/${kind}` : `${place.set}-${place.ordinal}/${kind}`, kind, ...place }
}
