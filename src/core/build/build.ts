import { ConflictError } from '../../lib/errors.ts'
import type { ActorRef } from '../actor/actor.ts'
import type { Trust } from '../trust/trust.ts'

export type BuildStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'superseded'
export type BuildCause =
  | 'requested'
  | 'newer_commit'
  | 'exit_code'
  | 'tests_failed'
  | 'timed_out'
  | 'out_of_memory'
  | 'too_many_processes'
  | 'no_artifact'
  | 'not_understood'
  | 'disk_low'
  | 'disk_full'
  | 'base_unreachable'
  | 'differs'
  | 'internal'
  | 'done'

/** deploy: what it makes is deployed. Before a promotion: test: the artifact's tests are run in it; compare: it is built again, and must come out the same. */
export type BuildPurpose = 'deploy' | 'test' | 'compare'

/** A JUnit file the tests of a build left (`<testsuites>` XML): at most 4 MiB each, 100 of them. */
export interface TestFile {
  readonly path: string
  readonly text: string
}

/** What the tests of a build said (JUnit). */
export interface TestSummary {
  readonly total: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  /** The first of those that failed. */
  readonly failures: readonly { readonly name: string; readonly message: string }[]
}

/** One attempt to make an artifact from a commit. */
export interface Build {
  readonly id: string
  readonly projectId: string
  readonly appId: string
  readonly environmentId: string
  readonly commitId: string
  /** The full ref that was asked for, e.g. `refs/heads/main`. */
  readonly ref: string
  readonly purpose: BuildPurpose
  readonly status: BuildStatus
  readonly cause: BuildCause
  /** A sentence for people: why it failed, what was chosen. */
  readonly message: string
  /** The git tree that is built; null while nobody has looked. */
  readonly treeId: string | null
  /** All beside the tree that decides the result, as a hash; null: cannot be told. */
  readonly recipe: string | null
  /** Level that it is built at: its cache, its secrets, its network, and which artifacts it may take. */
  readonly trust: Trust
  /** Built although an artifact of the same files may be there. */
  readonly again: boolean
  readonly tests: TestSummary | null
  /** The build whose artifact it took, instead of building the same again. */
  readonly reused: string | null
  /** Its result; of one before a promotion what it is about. */
  readonly artifactId: string | null
  readonly deploymentId: string | null
  readonly actor: ActorRef
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly version: number
}

export const BUILD_TRANSITIONS = {
  queued: ['running', 'superseded', 'cancelled'],
  running: ['queued', 'succeeded', 'failed', 'cancelled', 'superseded'],
  succeeded: [],
  failed: [],
  cancelled: [],
  superseded: [],
} satisfies Record<BuildStatus, readonly BuildStatus[]>

/** Whether nothing will change in this build any more. */
export function isBuildFinished(build: Build): boolean {
  return BUILD_TRANSITIONS[build.status].length === 0
}

/** Where a build goes and why, with what else changes on the way. */
export interface BuildMove extends Partial<Pick<Build, 'message' | 'artifactId' | 'deploymentId' | 'startedAt' | 'finishedAt' | 'tests' | 'reused'>> {
  readonly status: BuildStatus
  readonly cause: BuildCause
}

/** The only writer of a build's status. Throws ConflictError `build.illegal_transition`. */
export function moveBuild(build: Build, move: BuildMove): Build {
  const allowed: readonly BuildStatus[] = BUILD_TRANSITIONS[build.status]
  if (!allowed.includes(move.status))
    throw new ConflictError('build.illegal_transition', `Build ${build.id} is ${build.status} and cannot become ${move.status}`)
  return { ...build, ...move }
}
