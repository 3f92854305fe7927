import { ConflictError } from '../../lib/errors.ts'
import type { ActorRef } from '../actor/actor.ts'
import type { Wish } from '../environment/environment.ts'
import type { ResolvedStrategy } from '../environment/strategy.ts'

export type DeploymentVerb = 'deploy' | 'rollback' | 'restart' | 'stop' | 'start' | 'scale'
export type DeploymentStatus = 'queued' | 'running' | 'paused' | 'reverting' | 'succeeded' | 'failed' | 'cancelled' | 'superseded'
/** Why it is where it is; stable words, never parsed out of `message`. */
export type DeploymentCause =
  | 'requested'
  | 'done'
  | 'newer_deployment'
  | 'check_failed'
  | 'release_command_failed'
  | 'instance_exited'
  | 'out_of_memory'
  | 'start_deadline'
  | 'drain_deadline'
  | 'answers_worse'
  | 'inconclusive'
  | 'engine_refused'
  | 'unavailable'
  | 'app_removed'
  | 'internal'

/** What a verb asks for; null: as it is. */
export interface DeploymentRequest {
  readonly releaseId: string | null
  readonly count: number | null
}

/** The act of bringing one wish into one environment: the state machine of the release path. */
export interface Deployment {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  /** Grows per environment; the newest asked for wins. */
  readonly number: number
  readonly verb: DeploymentVerb
  /** What was asked for; the wish is made of it when the deployment begins. */
  readonly request: DeploymentRequest
  /** The inputs, frozen when it begins (until then: as they would be); `fingerprint` is their hash. */
  readonly wish: Wish
  readonly previous: Wish
  readonly strategy: ResolvedStrategy
  readonly fingerprint: string
  readonly status: DeploymentStatus
  readonly cause: DeploymentCause
  readonly message: string
  /** What it waits for at the moment, and who can change that; null when it moves. */
  readonly blocked: string | null
  /** A person asked to end it. */
  readonly cancelRequested: boolean
  /** A person asked to let it stand at the next safe point. */
  readonly pauseRequested: boolean
  /** What the last failed step saw: probe answer, exit code, log lines. */
  readonly report: FailureReport | null
  readonly buildId: string | null
  readonly actor: ActorRef
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly version: number
}

/** What a person needs to understand a failed start. */
export interface FailureReport {
  readonly instance: string
  readonly lastProbe: string | null
  readonly exitCode: number | null
  readonly oomKilled: boolean
  /** Where it does listen, when that is not where it was asked. */
  readonly hint: string | null
  readonly logLines: readonly string[]
}

export const DEPLOYMENT_TRANSITIONS = {
  queued: ['running', 'superseded', 'cancelled'],
  running: ['paused', 'reverting', 'succeeded', 'superseded'],
  paused: ['running', 'reverting', 'superseded'],
  reverting: ['failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
  superseded: [],
} satisfies Record<DeploymentStatus, readonly DeploymentStatus[]>

export const ACTIVE_STATUSES: readonly DeploymentStatus[] = ['running', 'paused', 'reverting']

/** Whether nothing will change in this deployment any more. */
export function isDeploymentFinished(deployment: Pick<Deployment, 'status'>): boolean {
  return DEPLOYMENT_TRANSITIONS[deployment.status].length === 0
}

/** What it works towards: what was asked for, or what was there before when it goes back. */
export function aimOf(deployment: Pick<Deployment, 'status' | 'wish' | 'previous'>): Wish {
  return deployment.status === 'reverting' ? deployment.previous : deployment.wish
}

type Changeable = 'message' | 'blocked' | 'report' | 'startedAt' | 'finishedAt'

/** Where a deployment goes and why, with what else changes on the way. */
export interface DeploymentMove extends Partial<Pick<Deployment, Changeable>> {
  readonly status: DeploymentStatus
  readonly cause: DeploymentCause
}

/** The only writer of a deployment's status. Throws ConflictError `deployment.illegal_transition`. */
export function moveDeployment(deployment: Deployment, move: DeploymentMove): Deployment {
  const allowed: readonly DeploymentStatus[] = DEPLOYMENT_TRANSITIONS[deployment.status]
  if (!allowed.includes(move.status)) {
    throw new ConflictError('deployment.illegal_transition', `Deployment ${deployment.id} is ${deployment.status} and cannot become ${move.status}`)
  }
  return { ...deployment, ...move }
}
