import type { Arm } from '../environment/environment.ts'

/** The words of the ordered flow: check, stop traffic, stop, update, start, resume traffic. */
export type StepKind = 'check' | 'release-command' | 'update' | 'start' | 'resume-traffic' | 'switch' | 'stop-traffic' | 'stop' | 'remove'

/** One idempotent action of a plan. `key` is the same whenever the same action is planned again. */
export interface Step {
  readonly key: string
  readonly kind: StepKind
  readonly set: number
  /** -1: the step is not about one instance. */
  readonly ordinal: number
  readonly arm: Arm | null
}

/** Lanes run side by side; the steps of one lane one after the other. A batch ends when all its lanes have. */
export interface Batch {
  readonly lanes: readonly (readonly Step[])[]
}

/** All steps still to be done, in order. Empty: the world is as wished. */
export interface Plan {
  readonly batches: readonly Batch[]
}

/** A row of the journal: the intent, written before the effect, and its result. */
export interface StepRecord {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  /** null: the wish was kept without a deployment (a crash, a lost container). */
  readonly deploymentId: string | null
  readonly seq: number
  readonly key: string
  readonly kind: StepKind
  readonly instance: string | null
  readonly status: 'intended' | 'done' | 'failed' | 'dropped'
  /** Milliseconds of its deadline that are used: survives outages and clock jumps. */
  readonly budgetUsedMs: number
  readonly numbers: StepNumbers
  /** What it waits for, for people; null when it does not. */
  readonly waiting: string | null
  readonly startedAt: number
  readonly finishedAt: number | null
}

/** What was counted while the step ran. */
export interface StepNumbers {
  readonly inFlightAtStart?: number
  readonly inFlight?: number
  readonly cut?: number
  readonly generation?: number
  readonly exitCode?: number
  readonly probe?: string
}
