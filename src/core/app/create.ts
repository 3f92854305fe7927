import { ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { newEnvironment } from '../environment/create.ts'
import type { Environment } from '../environment/environment.ts'
import { type App, type AppName, PRODUCTION } from './app.ts'

export interface NewApp {
  readonly actor: Actor
  readonly projectId: string
  readonly name: AppName
}

/** Makes an app with its environment `production`. Throws ConflictError `app.name_taken`. */
export async function createApp(
  context: Pick<Context, 'store' | 'clock' | 'settings'>,
  input: NewApp,
): Promise<{ readonly app: App; readonly environment: Environment }> {
  const now = context.clock.now()
  return context.store.transaction(async (tx) => {
    const taken = await tx.apps.list({ projectId: null }, { where: { name: input.name, goneAt: null }, limit: 1 })
    if (taken[0]?.removedAt) throw new ConflictError('app.name_taken', `The app ${input.name} is just being removed; try again when that is done.`)
    if (taken[0]) throw new ConflictError('app.name_taken', `There is an app ${input.name} already. Choose another name: names are unique in the installation.`)
    const app = await tx.apps.insert({
      id: newId('a'),
      projectId: input.projectId,
      name: input.name,
      root: '',
      watch: [],
      createdAt: now,
      removedAt: null,
      goneAt: null,
      version: 1,
    })
    await tx.record({ kind: 'app.created', actor: input.actor, projectId: app.projectId, appId: app.id, subject: app.id, data: { name: app.name } })
    const environment = await newEnvironment(tx, {
      app,
      name: PRODUCTION,
      actor: input.actor,
      now,
      appsDomain: context.settings.appsDomain,
      branch: 'main',
      tags: null,
    })
    return { app, environment }
  })
}
