import { ConflictError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import { mustBeAllowed } from '../actor/may.ts'
import type { Context } from '../context.ts'
import type { Trust } from '../trust/trust.ts'
import type { Environment, Verification } from './environment.ts'
import { type Strategy, strategyText } from './strategy.ts'

export interface EnvironmentChange {
  readonly actor: Actor
  readonly environment: Environment
  readonly branch?: string | undefined
  /** null: no tags any more. */
  readonly tags?: string | null | undefined
  readonly verify?: Verification | undefined
  /** For an administrator to say. */
  readonly trust?: Trust | undefined
  /** From the next deployment on; null: as `lockgate.yaml` says, from the next one that has it. */
  readonly strategy?: Strategy | null | undefined
}

/** Changes what is deployed to an environment, and what is done before a promotion to it. Throws ConflictError `environment.branch_taken`, ForbiddenError `actor.may_not`. */
export function changeEnvironment(context: Pick<Context, 'store'>, input: EnvironmentChange): Promise<Environment> {
  return context.store.transaction(async (tx) => {
    const scope = { projectId: input.environment.projectId }
    const environment = await tx.environments.get(scope, input.environment.id)
    const siblings = await tx.environments.list(scope, { where: { appId: environment.appId, goneAt: null } })
    const rival = siblings.find((sibling) => sibling.id !== environment.id && sibling.branch === input.branch)
    if (rival) throw new ConflictError('environment.branch_taken', `A push to ${input.branch} is deployed to ${rival.name} already.`)
    const { branch = environment.branch, tags = environment.tags, verify = environment.verify, trust = environment.trust } = input
    if (trust !== environment.trust) mustBeAllowed(input.actor, 'environment.protect')
    const strategy =
      input.strategy === undefined
        ? {}
        : input.strategy === null
          ? { strategySetBy: 'default' as const }
          : { strategy: input.strategy, strategySetBy: 'operator' as const }
    const changed = await tx.environments.save(environment, { ...environment, branch, tags, verify, trust, ...strategy })
    await tx.record({
      kind: 'environment.changed',
      actor: input.actor,
      projectId: environment.projectId,
      appId: environment.appId,
      environmentId: environment.id,
      subject: environment.id,
      data: { branch, tags, verify, trust, strategy: strategyText(changed.strategy) },
    })
    return changed
  })
}
