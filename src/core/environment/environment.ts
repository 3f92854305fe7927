import { z } from 'zod'
import type { EnvironmentName } from '../app/app.ts'

/** What should run in an environment. `set` grows with everything that wants new instances (a deploy, a restart). */
export interface Wish {
  readonly releaseId: string | null
  readonly set: number
  readonly count: number
  readonly running: boolean
}

export const Strategy = z
  .strictObject({
    kind: z.enum(['auto', 'rolling', 'blue-green']).default('auto').describe('auto: blue-green for one instance, rolling for more'),
    surge: z.int().min(0).max(32).default(1).describe('Rolling: how many new instances start before as many old ones stop; 0 stops first'),
  })
  .describe('How a deployment moves')
export type Strategy = z.infer<typeof Strategy>

/** A strategy with `auto` decided. */
export interface ResolvedStrategy {
  readonly kind: 'rolling' | 'blue-green'
  readonly surge: number
}

/** test: the artifact's tests are run in it; rebuild: it is built again and its files are compared. */
export type Verification = 'off' | 'test' | 'rebuild'

export type Arm = 'blue' | 'green'

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
  /** What is done again before a promotion to here. */
  readonly verify: Verification
  /** Which of the two arms is stable: the one its hostnames lead to. */
  readonly liveArm: Arm
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

/** Decides `auto`: one instance is replaced as a whole, several one after another. */
export function resolveStrategy(strategy: Strategy, count: number): ResolvedStrategy {
  const kind = strategy.kind === 'auto' ? (count > 1 ? 'rolling' : 'blue-green') : strategy.kind
  return { kind, surge: strategy.surge }
}

/** Stable for candidate, candidate for stable. */
export function otherArm(arm: Arm): Arm {
  return arm === 'blue' ? 'green' : 'blue'
}
