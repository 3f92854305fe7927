import type { Tx } from '../../store/types.ts'
import type { Actor } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Opened } from '../build/open.ts'
import type { Environment } from '../environment/environment.ts'

export interface KeepPush {
  readonly actor: Actor
  readonly app: App
  readonly environment: Environment
  /** Full ref that is to move when it is live. */
  readonly ref: string
  /** What the ref is to name: a commit, or an annotated tag. */
  readonly commitId: string
  readonly opened: Opened
  readonly now: number
}

/** The record of a push, in the transaction that opens its build or deployment. Gives its number. */
export async function keepPush(tx: Tx, input: KeepPush): Promise<number> {
  const { app, actor, environment, opened, ref, commitId } = input
  const number = await tx.pushes.next('number')
  await tx.pushes.insert({
    number,
    projectId: app.projectId,
    appId: app.id,
    environmentId: environment.id,
    ref,
    commitId,
    buildId: opened.build?.id ?? null,
    deploymentId: opened.deployment?.id ?? null,
    actor,
    createdAt: input.now,
    settledAt: null,
  })
  await tx.record({
    kind: 'push.received',
    actor,
    projectId: app.projectId,
    appId: app.id,
    environmentId: environment.id,
    subject: String(number),
    data: { ref, commit: commitId },
  })
  return number
}
