import type { EnvironmentName } from '../app/app.ts'
import type { Counted, Sample } from '../instance/reading.ts'
import type { Hold, Sticky } from '../route/route.ts'
import type { Trust } from '../trust/trust.ts'
import type { Strategy } from './strategy.ts'

/** What should run in an environment. `set` grows with everything that wants new instances (a deploy, a restart). */
export interface Wish {
  readonly releaseId: string | null
  readonly set: number
  readonly count: number
  readonly running: boolean
}

/** test: the artifact's tests are run in it; rebuild: it is built again and its files are compared. */
export type Verification = 'off' | 'test' | 'rebuild'

export type Arm = 'blue' | 'green'

/** The part of the requests that goes to the arm which is not live. */
export interface Share {
  /** 1 to 99. */
  readonly percent: number
  readonly sticky: Sticky
  readonly salt: string
}

/** How what was deployed is watched afterwards. */
export interface WatchPolicy {
  /** 0: not at all. */
  readonly forMs: number
  /** Whether a worse release goes back by itself. */
  readonly rollback: boolean
}

export const DEFAULT_WATCH: WatchPolicy = { forMs: 120_000, rollback: true }

/** A release under observation after its deployment. */
export interface Watch {
  readonly deploymentId: string
  /** What served before it, and how it answered; null where nothing did. */
  readonly before: { readonly releaseId: string; readonly sample: Sample } | null
  /** Milliseconds of the window that are used: counted while we look, not between two clocks. */
  readonly usedMs: number
  /** How it answers so far. */
  readonly sample: Sample
  /** Requests the edge answered itself because no instance did; null: not looked at yet. Absent in rows of older servers. */
  readonly unanswered?: Counted | null
  /** It answered worse, and stays all the same: why. null: nothing was found. */
  readonly worse: string | null
}

export interface Environment {
  readonly id: string
  readonly projectId: string
  readonly appId: string
  readonly name: EnvironmentName
  readonly wish: Wish
  readonly strategy: Strategy
  /** What an operator set is not overwritten by `lockgate.yaml`. */
  readonly strategySetBy: 'default' | 'manifest' | 'operator'
  /** The branches a push to which is deployed here: a name, or a pattern such as `release/*`. */
  readonly branch: string
  /** The tags that are deployed here, such as `v*`; null: none. */
  readonly tags: string | null
  /** What is built for it, and what may run here without a person who says so. */
  readonly trust: Trust
  /** What is done again before a promotion to here. */
  readonly verify: Verification
  /** Which of the two arms is stable: the one its hostnames lead to. */
  readonly liveArm: Arm
  /** What the other arm gets; null: nothing. */
  readonly share: Share | null
  /** Its requests wait in the edge; null: they do not. */
  readonly hold: Hold | null
  readonly watchPolicy: WatchPolicy
  /** null: nothing is watched. */
  readonly watch: Watch | null
  /** The edge generation that first holds what this environment wants routed. */
  readonly routeGeneration: number
  /** A /26 of the instance range, as an index. */
  readonly subnet: number
  readonly createdAt: number
  readonly removedAt: number | null
  /** When nothing of it was left. */
  readonly goneAt: number | null
  readonly version: number
}

export const MAX_COUNT = 48

/** An environment in which nothing is under way is looked at again after this long, although nothing woke it. */
export const LOOK_AGAIN_MS = 10_000

/** What the edge calls an arm of an environment. */
export function armId(environment: Pick<Environment, 'id'>, arm: Arm): string {
  return `${environment.id}/${arm}`
}

/** Stable for candidate, candidate for stable. */
export function otherArm(arm: Arm): Arm {
  return arm === 'blue' ? 'green' : 'blue'
}
