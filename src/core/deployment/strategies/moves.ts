// What every strategy is made of: bringing one ordinal up, taking one instance down, and who serves meanwhile.
import type { Arm } from '../../environment/environment.ts'
import type { Step, StepKind } from '../step.ts'
import type { InstanceView, Wanted, World } from '../world.ts'

/** One ordinal of the wanted set, and what is there of it. */
export interface Slot {
  readonly ordinal: number
  readonly instance: InstanceView | null
}

/** Every ordinal that is wanted. */
export function ordinals(world: World, wanted: Wanted): Slot[] {
  return Array.from({ length: wanted.count }, (_, ordinal) => ({
    ordinal,
    instance: world.instances.find((instance) => instance.set === wanted.set && instance.ordinal === ordinal) ?? null,
  }))
}

/** Everything that is not wanted, in the order it leaves. */
export function leaving(world: World, wanted: Wanted): InstanceView[] {
  return inOrder(world.instances.filter((instance) => instance.set !== wanted.set || instance.ordinal >= wanted.count))
}

/** By set, then by ordinal: whatever order they come in. */
export function inOrder(instances: readonly InstanceView[]): InstanceView[] {
  return instances.toSorted((a, b) => a.set - b.set || a.ordinal - b.ordinal)
}

/** New requests may reach it. */
export function getsRequests(instance: InstanceView, world: World): boolean {
  return instance.traffic === 'in' && (instance.arm === world.liveArm || world.share > 0)
}

/** It gets requests, can answer them, and the edge has said so. */
export function serves(instance: InstanceView, world: World): boolean {
  return getsRequests(instance, world) && !instance.unconfirmed && instance.container === 'running' && instance.ready && !instance.faulty
}

/** What is still missing until this ordinal of the set serves in the arm. */
export function bringUp(slot: Slot, target: { readonly set: number; readonly arm: Arm; readonly world: World }): Step[] {
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
export function takeDown(instance: InstanceView): Step[] {
  const place = { set: instance.set, ordinal: instance.ordinal, arm: instance.arm }
  const steps: Step[] = []
  const named = instance.traffic !== 'none' || instance.unconfirmed
  // What is in flight to a container that has ended is answered by nobody: only the edge has yet to notice.
  const answers = instance.container === 'running' && instance.inFlight !== 0
  if (named && (instance.traffic === 'in' || instance.unconfirmed || answers)) steps.push(step('stop-traffic', place))
  if (instance.container === 'running') steps.push(step('stop', place))
  return [...steps, step('remove', place)]
}

/** A step, with the key it has whenever it is planned again. */
export function step(kind: StepKind, place: { readonly set: number; readonly ordinal: number; readonly arm: Arm | null }): Step {
  return {
    key: place.ordinal < 0 ? `${place.set}/${kind}` : `${place.set}-${place.ordinal}/${kind}`,
    kind,
    set: place.set,
    ordinal: place.ordinal,
    arm: place.arm,
    percent: null,
  }
}

/** A step about a share of the requests. */
export function shareStep(kind: 'shift-traffic' | 'soak', share: { readonly set: number; readonly arm: Arm; readonly percent: number }): Step {
  return { key: `${share.set}/${kind}-${share.percent}`, kind, ordinal: -1, ...share }
}
