import { ConflictError } from '../../lib/errors.ts'
import type { ActorRef } from '../actor/actor.ts'
import type { SealedValue } from '../secret/secret.ts'

/** Commands run at most this long. */
export const LONGEST_COMMAND_MS = 3_600_000

export type OneOffStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

/** A command run once in the image and configuration of a release: `lockgate run`, or a deployment's release command. */
export interface OneOff {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  readonly releaseId: string
  /** Set when it is the release command of a deployment. */
  readonly deploymentId: string | null
  readonly command: readonly string[]
  /** Arguments that hold secrets and standard input, sealed, until it has ended; null: `command` is all there is. */
  readonly sealed: SealedValue | null
  readonly status: OneOffStatus
  readonly exitCode: number | null
  readonly message: string
  readonly cancelRequested: boolean
  readonly budgetUsedMs: number
  readonly actor: ActorRef
  readonly createdAt: number
  readonly finishedAt: number | null
  readonly version: number
}

export const ONE_OFF_TRANSITIONS = {
  queued: ['running', 'cancelled', 'failed'],
  running: ['succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
} satisfies Record<OneOffStatus, readonly OneOffStatus[]>

/** Whether the command has ended, well or not. */
export function isOneOffFinished(oneOff: Pick<OneOff, 'status'>): boolean {
  return ONE_OFF_TRANSITIONS[oneOff.status].length === 0
}

/** The only writer of a one-off's status; at the end it forgets what was sealed. Throws ConflictError `one_off.illegal_transition`. */
export function moveOneOff(oneOff: OneOff, status: OneOffStatus, change: Partial<Pick<OneOff, 'exitCode' | 'message' | 'finishedAt'>> = {}): OneOff {
  const allowed: readonly OneOffStatus[] = ONE_OFF_TRANSITIONS[oneOff.status]
  if (!allowed.includes(status)) throw new ConflictError('one_off.illegal_transition', `One-off ${oneOff.id} is ${oneOff.status} and cannot become ${status}`)
  return { ...oneOff, ...change, status, sealed: isOneOffFinished({ status }) ? null : oneOff.sealed }
}
