import type { ActorRef } from '../actor/actor.ts'

/** One accepted `git push` of a branch: its commit is kept under `refs/lockgate/pushes/<number>`. */
export interface Push {
  readonly number: number
  readonly projectId: string
  readonly appId: string
  readonly environmentId: string
  /** Full ref that was pushed. */
  readonly ref: string
  readonly commitId: string
  readonly buildId: string | null
  /** Its deployment when the commit was built before; else the build names it. */
  readonly deploymentId: string | null
  readonly actor: ActorRef
  readonly createdAt: number
  /** When it was known how it ended; null: it is on its way. */
  readonly settledAt: number | null
}

/** Where the repository keeps the commit of a push until its deployment has succeeded, and after. */
export function pushRef(number: number): string {
  return `refs/lockgate/pushes/${number}`
}
