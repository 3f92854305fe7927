import type { ActorRef } from '../actor/actor.ts'
import type { RunSpec } from '../artifact/artifact.ts'

/** Artifact + configuration revision + run spec, immutable, numbered per environment (r42). */
export interface Release {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  readonly number: number
  readonly artifactId: string
  readonly configRevisionId: string
  readonly runSpec: RunSpec
  readonly actor: ActorRef
  readonly createdAt: number
  /** When a deployment of it first succeeded; null: it never served. */
  readonly liveAt: number | null
  /** When its observation window had passed and nothing was found against it. */
  readonly provenAt: number | null
  /** What was found against it while it was watched: a rollback without a number never goes there. null: nothing. */
  readonly fault: string | null
}

/** A pair that a rollback left behind: automatic deployments of it are refused until a person deploys it. */
export interface Pin {
  readonly environmentId: string
  readonly artifactId: string
  readonly configRevisionId: string
  readonly reason: string
  readonly createdAt: number
}

/** `r42`. */
export function releaseName(release: Pick<Release, 'number'>): string {
  return `r${release.number}`
}
