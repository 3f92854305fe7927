import { EVERYTHING } from '../../core/actor/actor.ts'
import { findProject } from '../../core/actor/token.ts'
import { changeApp } from '../../core/app/change.ts'
import { createApp } from '../../core/app/create.ts'
import { removeApp } from '../../core/app/remove.ts'
import { changeEnvironment } from '../../core/environment/change.ts'
import { addEnvironment } from '../../core/environment/create.ts'
import type { Environment } from '../../core/environment/environment.ts'
import { DEFAULT_PROJECT } from '../../core/project/project.ts'
import { addDomain, removeDomain } from '../../core/route/domain.ts'
import { pause } from '../../lib/clock.ts'
import { UnavailableError } from '../../lib/errors.ts'
import type { Handlers, Handling } from '../call.ts'
import { showApp, showEnvironment } from '../status.ts'

export const apps = {
  listApps: async (handling, { actor }) => {
    const all = await handling.store.read.apps.list({ projectId: actor.projectId }, { where: { goneAt: null }, orderBy: 'name' })
    return Promise.all(all.map((app) => showApp(handling, app)))
  },
  createApp: async (handling, { actor, body }) => {
    const asked = body
    const projectId =
      asked.project === undefined && actor.projectId !== null
        ? actor.projectId
        : await findProject(handling.store.read, actor, asked.project ?? DEFAULT_PROJECT)
    const { app } = await createApp(handling, { actor, projectId, name: asked.name })
    return showApp(handling, app)
  },
  readApp: async (handling, call) => showApp(handling, call.app),
  changeApp: async (handling, call) => {
    return showApp(handling, await changeApp(handling, { actor: call.actor, app: call.app, ...call.body }))
  },
  removeApp: async (handling, call) => {
    const app = await removeApp(handling, { actor: call.actor, app: call.app })
    return showApp(handling, app)
  },
  addEnvironment: async (handling, call) => {
    const { name, branch, tags } = call.body
    const environment = await addEnvironment(handling, { actor: call.actor, app: call.app, name, branch, tags: tags ?? null })
    return showEnvironment(handling, call.app, environment)
  },
  changeEnvironment: async (handling, call) => {
    const environment = await changeEnvironment(handling, { actor: call.actor, environment: call.environment, ...call.body })
    return showEnvironment(handling, call.app, environment)
  },
  readEnvironment: async (handling, call) => showEnvironment(handling, call.app, call.environment),
  addDomain: async (handling, call) => {
    const { host, path } = call.body
    const environment = await addDomain(handling, { actor: call.actor, environment: call.environment, host, path })
    await untilServed(handling, environment, `${host} was added`)
    return showEnvironment(handling, call.app, environment)
  },
  removeDomain: async (handling, call) => {
    const { host, path } = call.query
    const environment = await removeDomain(handling, { actor: call.actor, environment: call.environment, host, path })
    await untilServed(handling, environment, `${host} was removed`)
    return showEnvironment(handling, call.app, environment)
  },
} satisfies Partial<Handlers>

/** So long a change of routes may take at the edge. */
const SERVED_MS = 10_000

/** Waits until the edge has confirmed what the environment wants routed. Throws UnavailableError `edge.not_confirmed`. */
async function untilServed(handling: Handling, { routeGeneration }: Pick<Environment, 'routeGeneration'>, done: string): Promise<void> {
  const { routes } = handling.sight
  for (const began = performance.now(); routes.confirmed < routeGeneration; await pause(20)) {
    if (performance.now() - began < SERVED_MS) continue
    throw new UnavailableError(
      'edge.not_confirmed',
      `${done}, and the edge has not confirmed it for ${SERVED_MS / 1_000} s${routes.trouble ? ` (${routes.trouble})` : ''}. It is served as soon as the edge answers: "lockgate doctor" says whether it does.`,
    )
  }
}

/** Names by id, for lists of events. */
export async function namesById(
  handling: Handling,
): Promise<{ readonly apps: ReadonlyMap<string, string>; readonly environments: ReadonlyMap<string, string> }> {
  const { read } = handling.store
  return {
    apps: new Map((await read.apps.list(EVERYTHING)).map((app) => [app.id, app.name])),
    environments: new Map((await read.environments.list(EVERYTHING)).map((environment) => [environment.id, environment.name])),
  }
}
