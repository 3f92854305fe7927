import type { Arm } from '../environment/environment.ts'
import type { ResolvedStrategy } from '../environment/strategy.ts'

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
  /** What the other arm gets of the requests, in percent; confirmed as the live arm is. */
  readonly share: number
  /** The greatest share at which the new set was watched and found good. */
  readonly soaked: number
  /** Requests wait in the edge. */
  readonly holds: boolean
  readonly instances: readonly InstanceView[]
  /** One-time steps of the deployment that are still to be done, in order. */
  readonly once: readonly ('check' | 'release-command')[]
}
