import { sha256 } from '../../lib/hash.ts'
import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { Actor, ActorRef } from '../actor/actor.ts'
import type { Environment, Wish } from '../environment/environment.ts'
import { resolveStrategy } from '../environment/strategy.ts'
import { ACTIVE_STATUSES, type Deployment, type DeploymentRequest, type DeploymentVerb, moveDeployment } from './deployment.ts'

export interface OpenDeployment {
  readonly environment: Environment
  readonly verb: DeploymentVerb
  readonly request: DeploymentRequest
  readonly actor: Actor
  readonly now: number
  readonly buildId: string | null
}

/** Verbs of one group make each other pointless while they wait: the newer supersedes the older. */
const GROUPS: Readonly<Record<DeploymentVerb, string>> = {
  deploy: 'release',
  rollback: 'release',
  restart: 'restart',
  scale: 'count',
  stop: 'run',
  start: 'run',
}

/**
 * Opens a deployment: the one way in for every verb, also rollback. It waits its turn; a queued one of the same group is
 * superseded in this transaction.
 */
export async function openDeployment(tx: Tx, input: OpenDeployment): Promise<Deployment> {
  const { environment, actor, now } = input
  const scope = { projectId: environment.projectId }
  for (const queued of await tx.deployments.list(scope, { where: { environmentId: environment.id, status: 'queued' } })) {
    if (GROUPS[queued.verb] === GROUPS[input.verb]) await supersede(tx, queued, { actor, now })
  }
  const number = await tx.deployments.next('number', { environmentId: environment.id })
  const draft: Deployment = {
    id: newId('d'),
    projectId: environment.projectId,
    environmentId: environment.id,
    number,
    verb: input.verb,
    request: input.request,
    ...inputsOf(environment, { verb: input.verb, request: input.request, number }),
    status: 'queued',
    cause: 'requested',
    message: '',
    blocked: null,
    cancelRequested: false,
    pauseRequested: false,
    report: null,
    buildId: input.buildId,
    actor,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    version: 1,
  }
  const active = (await tx.deployments.list(scope, { where: { environmentId: environment.id, status: ACTIVE_STATUSES }, limit: 1 }))[0]
  const deployment = await tx.deployments.insert({ ...draft, blocked: active ? waitsFor(active) : null })
  await recordDeployment(tx, deployment, { environment, actor })
  return deployment
}

/** The sentence of a deployment that waits its turn. */
export function waitsFor(active: Deployment): string {
  return `waits for ${active.id} (${active.verb}, opened by ${active.actor.name}); "lockgate cancel ${active.id}" ends that one`
}

/** Marks a deployment superseded by a newer one, with its event. */
export async function supersede(tx: Tx, deployment: Deployment, by: { readonly actor: ActorRef; readonly now: number }): Promise<Deployment> {
  const saved = await tx.deployments.save(
    deployment,
    moveDeployment(deployment, {
      status: 'superseded',
      cause: 'newer_deployment',
      message: 'a newer deployment takes its place',
      blocked: null,
      finishedAt: by.now,
    }),
  )
  const environment = await tx.environments.get({ projectId: deployment.projectId }, deployment.environmentId)
  await recordDeployment(tx, saved, { environment, actor: by.actor })
  return saved
}

/** The fact that a deployment is in a (new) status. */
export async function recordDeployment(tx: Tx, deployment: Deployment, by: { readonly environment: Environment; readonly actor: ActorRef }): Promise<void> {
  await tx.record({
    kind: `deployment.${deployment.status}`,
    actor: by.actor,
    projectId: deployment.projectId,
    appId: by.environment.appId,
    environmentId: deployment.environmentId,
    subject: deployment.id,
    data: { verb: deployment.verb, cause: deployment.cause, number: deployment.number, ...(deployment.message === '' ? {} : { message: deployment.message }) },
  })
}

type Inputs = Pick<Deployment, 'wish' | 'previous' | 'strategy' | 'fingerprint'>

/** The inputs of a deployment as the environment is now: frozen when it begins. Pure. */
export function inputsOf(environment: Environment, asked: Pick<Deployment, 'verb' | 'request' | 'number'>): Inputs {
  const previous = environment.wish
  const wish = wishOf(previous, asked)
  const strategy = resolveStrategy(environment.strategy, { count: wish.count, bringsNew: asked.verb === 'deploy' })
  return { wish, previous, strategy, fingerprint: sha256(JSON.stringify([wish, previous, strategy])) }
}

function wishOf(previous: Wish, asked: Pick<Deployment, 'verb' | 'request' | 'number'>): Wish {
  const count = asked.request.count ?? previous.count
  switch (asked.verb) {
    case 'deploy':
    case 'rollback':
      return { releaseId: asked.request.releaseId ?? previous.releaseId, set: asked.number, count, running: true }
    case 'restart':
      return { ...previous, set: asked.number }
    case 'start':
      return previous.running ? previous : { ...previous, set: asked.number, running: true }
    case 'stop':
      return { ...previous, running: false }
    case 'scale':
      return { ...previous, count }
  }
}
