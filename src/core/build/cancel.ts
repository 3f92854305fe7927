import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { type Build, isBuildFinished } from './build.ts'
import { move } from './record.ts'

/** Ends a build; what it had started is gone within 10 s. A finished one stays as it is. */
export function cancelBuild(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly id: string }): Promise<Build> {
  return context.store.transaction(async (tx) => {
    const build = await tx.builds.get({ projectId: input.actor.projectId }, input.id)
    if (isBuildFinished(build)) return build
    return move(tx, build, { status: 'cancelled', cause: 'requested', message: `cancelled by ${input.actor.name}`, finishedAt: context.clock.now() })
  })
}
