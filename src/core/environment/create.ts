import { ConflictError, NotFoundError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { ReadStore, Tx } from '../../store/types.ts'
import type { Actor } from '../actor/actor.ts'
import { type App, type EnvironmentName, PRODUCTION } from '../app/app.ts'
import type { Context } from '../context.ts'
import { claimDomain } from '../route/domain.ts'
import type { HostName, PathPrefix } from '../route/route.ts'
import { DEFAULT_WATCH, type Environment } from './environment.ts'
import { DEFAULT_STRATEGY } from './strategy.ts'
import { freeSubnet } from './subnet.ts'

interface NewEnvironment {
  readonly app: App
  readonly name: EnvironmentName
  readonly actor: Actor
  readonly now: number
  readonly appsDomain: string
  readonly branch: string
  readonly tags: string | null
}

/** Adds an environment to an app; a push to `branch` is deployed there. Throws ConflictError `environment.name_taken`, `environment.branch_taken`. */
export async function addEnvironment(
  context: Pick<Context, 'store' | 'clock' | 'settings'>,
  input: { readonly actor: Actor; readonly app: App; readonly name: EnvironmentName; readonly branch: string; readonly tags: string | null },
): Promise<Environment> {
  return context.store.transaction((tx) => newEnvironment(tx, { ...input, now: context.clock.now(), appsDomain: context.settings.appsDomain }))
}

/** The same inside a transaction. */
export async function newEnvironment(tx: Tx, input: NewEnvironment): Promise<Environment> {
  const { app, name, actor, now } = input
  const siblings = await tx.environments.list({ projectId: app.projectId }, { where: { appId: app.id, goneAt: null } })
  if (siblings.some((sibling) => sibling.name === name)) throw new ConflictError('environment.name_taken', `${app.name} has an environment ${name} already.`)
  const rival = siblings.find((sibling) => sibling.branch === input.branch)
  if (rival)
    throw new ConflictError('environment.branch_taken', `A push to ${input.branch} is deployed to ${rival.name} already; name another branch with --branch.`)
  const environment = await tx.environments.insert({
    id: newId('e'),
    projectId: app.projectId,
    appId: app.id,
    name,
    wish: { releaseId: null, set: 0, count: 1, running: true },
    strategy: DEFAULT_STRATEGY,
    strategySetBy: 'default',
    branch: input.branch,
    tags: input.tags,
    trust: name === PRODUCTION ? 'protected' : 'ordinary',
    verify: 'off',
    liveArm: 'blue',
    share: null,
    hold: null,
    watchPolicy: DEFAULT_WATCH,
    watch: null,
    routeGeneration: 0,
    subnet: await freeSubnet(tx),
    createdAt: now,
    removedAt: null,
    goneAt: null,
    version: 1,
  })
  await tx.record({
    kind: 'environment.created',
    actor,
    projectId: app.projectId,
    appId: app.id,
    environmentId: environment.id,
    subject: environment.id,
    data: { name, branch: input.branch },
  })
  const host = (name === PRODUCTION ? `${app.name}.${input.appsDomain}` : `${app.name}-${name}.${input.appsDomain}`) as HostName
  return claimDomain(tx, { environment, host, path: '/' as PathPrefix, kind: 'generated', actor, now })
}

/** The environment of that name; what cannot be one names none. Throws NotFoundError `environment.not_found`. */
export async function findEnvironment(read: Pick<ReadStore, 'environments'>, app: App, name: string): Promise<Environment> {
  const found = await read.environments.list({ projectId: app.projectId }, { where: { appId: app.id, name: name as EnvironmentName, goneAt: null }, limit: 1 })
  if (!found[0]) throw new NotFoundError('environment.not_found', `${app.name} has no environment ${name}.`)
  return found[0]
}
