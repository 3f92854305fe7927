import { ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { Actor, ActorRef } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Deployment } from '../deployment/deployment.ts'
import type { Environment } from '../environment/environment.ts'
import type { Release } from '../release/release.ts'
import { isOneOffFinished, moveOneOff, type OneOff } from './one-off.ts'

/** Opens a command in the image and configuration that run now. Throws ConflictError `environment.nothing_runs`. */
export function openOneOff(
  context: Pick<Context, 'store' | 'clock'>,
  input: { readonly actor: Actor; readonly environment: Environment; readonly command: readonly string[]; readonly input?: string | null },
): Promise<OneOff> {
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    if (environment.wish.releaseId === null)
      throw new ConflictError('environment.nothing_runs', 'Nothing was deployed here yet, so there is no image to run the command in.')
    const oneOff = await insert(tx, {
      environment,
      releaseId: environment.wish.releaseId,
      deploymentId: null,
      command: input.command,
      input: input.input ?? null,
      actor: input.actor,
      now: context.clock.now(),
    })
    await tx.record({
      kind: 'one_off.opened',
      actor: input.actor,
      projectId: environment.projectId,
      appId: environment.appId,
      environmentId: environment.id,
      subject: oneOff.id,
      data: { command: input.command },
    })
    return oneOff
  })
}

/** The release command of a deployment: the same mechanism. */
export async function openReleaseCommand(
  tx: Tx,
  input: { readonly deployment: Deployment; readonly release: Release; readonly command: readonly string[]; readonly now: number },
): Promise<OneOff> {
  const { deployment, release, command, now } = input
  const environment = await tx.environments.get({ projectId: deployment.projectId }, deployment.environmentId)
  return insert(tx, { environment, releaseId: release.id, deploymentId: deployment.id, command, input: null, actor: deployment.actor, now })
}

interface Opening {
  readonly environment: Environment
  readonly releaseId: string
  readonly deploymentId: string | null
  readonly command: readonly string[]
  readonly input: string | null
  readonly actor: ActorRef
  readonly now: number
}

function insert(tx: Tx, opening: Opening): Promise<OneOff> {
  return tx.oneOffs.insert({
    id: newId('o'),
    projectId: opening.environment.projectId,
    environmentId: opening.environment.id,
    releaseId: opening.releaseId,
    deploymentId: opening.deploymentId,
    command: opening.command,
    input: opening.input,
    status: 'queued',
    exitCode: null,
    message: '',
    cancelRequested: false,
    budgetUsedMs: 0,
    actor: opening.actor,
    createdAt: opening.now,
    finishedAt: null,
    version: 1,
  })
}

/** Asks a command to end; a finished one stays as it is. */
export function cancelOneOff(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly id: string }): Promise<OneOff> {
  return context.store.transaction(async (tx) => {
    const oneOff = await tx.oneOffs.get({ projectId: input.actor.projectId }, input.id)
    return requestEnd(tx, oneOff, { actor: input.actor, now: context.clock.now() })
  })
}

/** The same inside a transaction. */
export async function requestEnd(tx: Tx, oneOff: OneOff, by: { readonly actor: ActorRef; readonly now: number }): Promise<OneOff> {
  if (isOneOffFinished(oneOff) || oneOff.cancelRequested) return oneOff
  if (oneOff.status === 'queued')
    return tx.oneOffs.save(oneOff, moveOneOff(oneOff, 'cancelled', { message: `cancelled by ${by.actor.name}`, finishedAt: by.now }))
  return tx.oneOffs.save(oneOff, { ...oneOff, cancelRequested: true })
}
