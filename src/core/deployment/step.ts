import type { Arm } from '../environment/environment.ts'

/** The words of the ordered flow: check, stop traffic, stop, update, start, resume traffic. */
export const STEP_KINDS = [
  'check',
  'release-command',
  'hold',
  'update',
  'start',
  'resume-traffic',
  'shift-traffic',
  'soak',
  'switch',
  'stop-traffic',
  'stop',
  'remove',
  'end-hold',
] as const
export type StepKind = (typeof STEP_KINDS)[number]

/** One idempotent action of a plan. `key` is the same whenever the same action is planned again. */
export interface Step {
  readonly key: string
  readonly kind: StepKind
  readonly set: number
  /** -1: the step is not about one instance. */
  readonly ordinal: number
  readonly arm: Arm | null
  /** The share a canary is brought to, or watched at; null: the step is not about one. */
  readonly percent: number | null
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
  /** Of those that were cut: still there when the edge had had its time. They end when their instance is stopped. */
  readonly left?: number
  readonly generation?: number
  readonly exitCode?: number
  readonly probe?: string
  /** When the engine had started it last before this step did; 0: never. What is later than that is this step's doing. */
  readonly startedBefore?: number
  /** Requests that waited in the edge when the hold ended. */
  readonly held?: number
  readonly percent?: number
  /** What the edge counted of the instance, or of the new set; and of the old one beside it. Times in milliseconds. */
  readonly requests?: number
  readonly failures?: number
  readonly answerMs?: number
  readonly oldRequests?: number
  readonly oldFailures?: number
  readonly oldAnswerMs?: number
}
