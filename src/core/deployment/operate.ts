import { ConflictError, InvalidError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { type Environment, MAX_COUNT } from '../environment/environment.ts'
import { mostInstances, resolveStrategy, tooManyInstances } from '../environment/strategy.ts'
import { maximaOf } from '../project/maxima.ts'
import type { Deployment } from './deployment.ts'
import { openDeployment } from './open.ts'

export interface Operation {
  readonly actor: Actor
  readonly environment: Environment
}

type Operating = Pick<Context, 'store' | 'clock'>

/** Replaces every instance by a fresh one of the same release. Throws ConflictError `environment.nothing_runs`. */
export function restart(context: Operating, input: Operation): Promise<Deployment> {
  return open(context, input, { verb: 'restart', count: null, needsRelease: true })
}

/** Takes the traffic off, lets requests finish, stops every instance; visitors see a page that says so. */
export function stop(context: Operating, input: Operation): Promise<Deployment> {
  return open(context, input, { verb: 'stop', count: null, needsRelease: true })
}

/** Starts what was stopped, the same release and count. */
export function start(context: Operating, input: Operation): Promise<Deployment> {
  return open(context, input, { verb: 'start', count: null, needsRelease: true })
}

/** Changes how many instances run. Throws InvalidError `deployment.count_out_of_range`. */
export async function scale(context: Operating & Pick<Context, 'settings'>, input: Operation & { readonly count: number }): Promise<Deployment> {
  if (!Number.isInteger(input.count) || input.count < 1 || input.count > MAX_COUNT) {
    throw new InvalidError('deployment.count_out_of_range', `An environment has 1 to ${MAX_COUNT} instances on one machine; "lockgate stop" leaves none.`)
  }
  const strategy = resolveStrategy(input.environment.strategy, { count: input.count, bringsNew: true })
  const most = mostInstances(strategy, MAX_COUNT)
  if (input.count > most) throw new InvalidError('deployment.count_out_of_range', `${tooManyInstances(input.count, strategy.kind, most)}.`)
  const { instances } = await maximaOf(context, input.environment.projectId)
  if (instances !== undefined && input.count > instances)
    throw new InvalidError(
      'deployment.count_out_of_range',
      `An environment of this project has at most ${instances} instances: an administrator set this maximum ("maxima" in the settings).`,
    )
  return open(context, input, { verb: 'scale', count: input.count, needsRelease: false })
}

interface Ask {
  readonly verb: 'restart' | 'stop' | 'start' | 'scale'
  readonly count: number | null
  readonly needsRelease: boolean
}

function open(context: Operating, input: Operation, ask: Ask): Promise<Deployment> {
  return context.store.transaction(async (tx) => {
    const environment = await tx.environments.get({ projectId: input.environment.projectId }, input.environment.id)
    if (environment.removedAt) throw new ConflictError('environment.removed', `${environment.name} is being removed.`)
    const unfinished = await tx.deployments.list({ projectId: null }, { where: { environmentId: environment.id, status: ['queued', 'running'] }, limit: 1 })
    if (ask.needsRelease && environment.wish.releaseId === null && unfinished.length === 0) {
      throw new ConflictError(
        'environment.nothing_runs',
        'Nothing was deployed here yet. Push code ("git push lockgate main") or name an image ("lockgate deploy --image NAME:TAG").',
      )
    }
    if (ask.verb === 'restart' && !environment.wish.running && unfinished.length === 0) {
      throw new ConflictError('environment.nothing_runs', 'It is stopped; "lockgate start" starts it.')
    }
    return openDeployment(tx, {
      environment,
      verb: ask.verb,
      request: { releaseId: null, count: ask.count },
      actor: input.actor,
      now: context.clock.now(),
      buildId: null,
    })
  })
}
