import type { Arm } from '../environment/environment.ts'
import type { Counted } from './reading.ts'

/** Our record of one running copy. Its address is its own for life. */
export interface Instance {
  /** Also the container's name: `lockgate-<installation>-<app>--<environment>-<set>-<ordinal>`. */
  readonly name: string
  readonly projectId: string
  readonly environmentId: string
  readonly releaseId: string
  readonly set: number
  readonly ordinal: number
  /** IPv4. */
  readonly address: string
  readonly port: number
  readonly arm: Arm
  /** What we want of the edge: named and ready, named and out of traffic, or not named. */
  readonly traffic: 'none' | 'in' | 'out'
  /** True once it was ready: from then on the engine starts it again when it crashes. */
  readonly proven: boolean
  /** Crashes and failed starts in a row since it last stayed up; and when it may be tried again (wall ms). */
  readonly crashes: number
  readonly retryAt: number
  /** Of the engine's count of restarts, those before it last stayed up. */
  readonly restartsForgiven: number
  /** Why it is being replaced in place: null when it is fine. */
  readonly fault: string | null
  /** What the edge counted of it since it got traffic, or since its share was shifted; null: not looked at yet. */
  readonly counted: Counted | null
  readonly createdAt: number
  /** Gone from the engine; the address is free once the edge confirmed `removedGeneration`. */
  readonly removedAt: number | null
  readonly removedGeneration: number
  readonly version: number
}

/** What people call it: `web.0 (set 4)`. */
export function labelOf({ ordinal, set }: Pick<Instance, 'ordinal' | 'set'>): string {
  return `web.${ordinal} (set ${set})`
}

export type ContainerState = 'created' | 'running' | 'restarting' | 'exited'

/** What a runtime reports of one instance or one-off. */
export interface ObservedInstance {
  readonly name: string
  readonly environmentId: string
  readonly kind: 'instance' | 'one-off'
  readonly set: number
  readonly ordinal: number
  /** The idempotency key it was created with. */
  readonly key: string
  readonly state: ContainerState
  readonly exitCode: number | null
  /** It was ended for using too much memory; also of one that the engine has started again since. */
  readonly oomKilled: boolean
  /** How often the engine started it again by itself. */
  readonly restarts: number
  /** Config digest of its image. */
  readonly digest: string
  readonly address: string | null
  readonly startedAt: number | null
  /** false: it runs, and its address does not lead to it: its network was deleted, or the machine has the address itself. */
  readonly isAttached?: boolean
}

export type ProbeState = 'unknown' | 'ready' | 'not-ready'

/** What our prober knows of one instance since this server started. */
export interface ProbeResult {
  readonly state: ProbeState
  /** `GET / → 500`, `connection refused`. */
  readonly lastAnswer: string | null
  readonly failuresInARow: number
  /** The process that runs now was ready before. */
  readonly wasReady: boolean
}
