import { ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import { type Actor, type ActorRef, EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Deployment } from '../deployment/deployment.ts'
import type { Environment } from '../environment/environment.ts'
import type { Release } from '../release/release.ts'
import type { SealedValue } from '../secret/secret.ts'
import { keepGiven } from './given.ts'
import { isOneOffFinished, moveOneOff, type OneOff } from './one-off.ts'

/** Opens a command in the image and configuration that run now. Throws ConflictError `environment.nothing_runs`. */
export async function openOneOff(
  context: Pick<Context, 'store' | 'clock' | 'sealer'>,
  input: { readonly actor: Actor; readonly environment: Environment; readonly command: readonly string[]; readonly input?: string | null },
): Promise<OneOff> {
  const { environment, actor } = input
  const releaseId = environment.wish.releaseId
  if (releaseId === null) throw new ConflictError('environment.nothing_runs', 'Nothing was deployed here yet, so there is no image to run the command in.')
  const id = newId('o')
  const kept = await keepGiven(context, { id, environmentId: environment.id, releaseId }, { command: input.command, input: input.input ?? null })
  return context.store.transaction(async (tx) => {
    const oneOff = await insert(tx, {
      id,
      environment,
      releaseId,
      deploymentId: null,
      ...kept,
      actor,
      now: context.clock.now(),
    })
    await tx.record({
      kind: 'one_off.opened',
      actor,
      projectId: environment.projectId,
      appId: environment.appId,
      environmentId: environment.id,
      subject: oneOff.id,
      // Arguments may hold what is not for everybody who reads events.
      data: { program: input.command[0] ?? '', arguments: input.command.length - 1 },
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
  return insert(tx, { id: newId('o'), environment, releaseId: release.id, deploymentId: deployment.id, command, sealed: null, actor: deployment.actor, now })
}

interface Opening {
  readonly id: string
  readonly environment: Environment
  readonly releaseId: string
  readonly deploymentId: string | null
  readonly command: readonly string[]
  readonly sealed: SealedValue | null
  readonly actor: ActorRef
  readonly now: number
}

function insert(tx: Tx, opening: Opening): Promise<OneOff> {
  return tx.oneOffs.insert({
    id: opening.id,
    projectId: opening.environment.projectId,
    environmentId: opening.environment.id,
    releaseId: opening.releaseId,
    deploymentId: opening.deploymentId,
    command: opening.command,
    sealed: opening.sealed,
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
  const environment = await tx.environments.get(EVERYTHING, oneOff.environmentId)
  await tx.record({
    kind: 'one_off.cancel_requested',
    actor: by.actor,
    projectId: oneOff.projectId,
    appId: environment.appId,
    environmentId: oneOff.environmentId,
    subject: oneOff.id,
  })
  if (oneOff.status === 'queued')
    return tx.oneOffs.save(oneOff, moveOneOff(oneOff, 'cancelled', { message: `cancelled by ${by.actor.name}`, finishedAt: by.now }))
  return tx.oneOffs.save(oneOff, { ...oneOff, cancelRequested: true })
}
