// The heart of Lockgate in this process: the real database, the loops of environments and of the edge, fakes around them.
import { onTestFinished } from 'vitest'
import type { Actor } from '../../src/core/actor/actor.ts'
import { EVERYTHING } from '../../src/core/actor/actor.ts'
import { type AppName, PRODUCTION } from '../../src/core/app/app.ts'
import { createApp } from '../../src/core/app/create.ts'
import { EMPTY_MANIFEST, Manifest } from '../../src/core/app/manifest.ts'
import type { Context } from '../../src/core/context.ts'
import { deployImage } from '../../src/core/deployment/deploy.ts'
import { type Deployment, isDeploymentFinished } from '../../src/core/deployment/deployment.ts'
import type { Environment } from '../../src/core/environment/environment.ts'
import { EnvironmentReconciler } from '../../src/core/environment/reconciler.ts'
import { Prober } from '../../src/core/instance/probe.ts'
import { ensureDefaultProject } from '../../src/core/project/create.ts'
import { RouteReconciler } from '../../src/core/route/reconciler.ts'
import { openSealer } from '../../src/core/secret/seal.ts'
import { type FakeEdge, fakeEdge } from '../../src/drivers/edge/fake/index.ts'
import { FakePlane } from '../../src/drivers/edge/fake/plane.ts'
import { type Knobs, openFake } from '../../src/drivers/runtime/fake/index.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { WorkQueue } from '../../src/lib/work-queue.ts'
import { ask } from './edge.ts'
import { coreSettings } from './settings.ts'
import { aFolder, aStore } from './store.ts'
import { until } from './until.ts'

export const ADA: Actor = { kind: 'token', id: 'k-ada', name: 'ada', role: 'admin', projectId: null }

export interface Core {
  readonly context: Context
  readonly knobs: Knobs
  readonly edge: FakeEdge
  /** A new app with its production environment. */
  anApp(name: string): Promise<Environment>
  /** Opens a deployment of a fake image, probes as quick as tests want them. */
  deploy(environment: Environment, image: string, yaml?: object): Promise<Deployment>
  /** The deployment, once it has ended. */
  ended(deployment: Pick<Deployment, 'id'>): Promise<Deployment>
  /** The deployment, once it is there. */
  once(deployment: Pick<Deployment, 'id'>, holds: (now: Deployment) => boolean): Promise<Deployment>
  environment(id: string): Promise<Environment>
  /** What an asker of the app's hostname gets. */
  ask(name: string): Promise<{ readonly status: number; readonly body: string }>
}

/** Starts one; it is gone when the test is. `around`: what its loops get instead of the context, whose calls the test makes itself. */
export async function aCore(range: string, how: { readonly around?: (context: Context) => Context; readonly clock?: Clock } = {}): Promise<Core> {
  const store = await aStore()
  const { runtime, knobs } = openFake()
  const edge = fakeEdge(await FakePlane.open(0))
  const context: Context = {
    store,
    clock: how.clock ?? systemClock,
    log: silentLog,
    runtime,
    edge,
    sealer: await openSealer(await aFolder()),
    logs: { finished: async () => undefined },
    settings: coreSettings(range),
  }
  await ensureDefaultProject(context)
  const stop = startLoops(how.around?.(context) ?? context)
  onTestFinished(async () => {
    await stop()
    for (const instance of await runtime.observe()) await runtime.remove(instance.name)
    await edge.plane.close()
  })
  const find = (id: string): Promise<Deployment> => store.read.deployments.get(EVERYTHING, id)
  const once: Core['once'] = async ({ id }, holds) => {
    await until(`deployment ${id} is as expected`, async () => holds(await find(id)))
    return find(id)
  }
  return {
    context,
    knobs,
    edge,
    anApp: async (name) => {
      const [project] = await store.read.projects.list(EVERYTHING)
      return (await createApp(context, { actor: ADA, projectId: project?.id ?? '', name: name as AppName })).environment
    },
    deploy: async (environment, image, yaml = {}) => {
      const health = { interval: '50ms', timeout: '500ms', start_deadline: '2s', rise: 1 }
      const manifest = { ...EMPTY_MANIFEST, ...Manifest.parse({ health, ...yaml }) }
      return (await deployImage(context, { actor: ADA, environment, image, manifest })).deployment
    },
    once,
    ended: (deployment) => once(deployment, isDeploymentFinished),
    environment: (id) => store.read.environments.get(EVERYTHING, id),
    ask: (name) => ask(edge.plane.port, `${name}.localhost`),
  }
}

function startLoops(context: Context): () => Promise<void> {
  const prober = new Prober(context.runtime, (id) => environments.wake(id))
  const routes = new RouteReconciler(context, { onConfirmed: () => wake(), isReady: (name) => prober.result(name).state === 'ready' })
  const reconciler = new EnvironmentReconciler(context, { prober, routes, forgetApp: async () => true })
  const environments = new WorkQueue({ name: 'environments', work: (id) => reconciler.pass(id), log: context.log })
  const edge = new WorkQueue({ name: 'edge', work: () => routes.pass(), log: context.log, parallel: 1 })
  const wakeAll = async (): Promise<void> => {
    const all = await context.store.read.environments.list(EVERYTHING, { where: { goneAt: null, name: PRODUCTION } })
    for (const environment of all) environments.wake(environment.id)
  }
  const wake = (): void => void wakeAll().catch(() => undefined)
  context.store.onCommit(({ events, edgeGeneration }) => {
    for (const event of events) if (event.environmentId !== null) environments.wake(event.environmentId)
    if (events.length > 0 || edgeGeneration !== null) edge.wake('edge')
  })
  const resync = setInterval(wake, 100)
  edge.wake('edge')
  return async () => {
    clearInterval(resync)
    prober.close()
    await Promise.all([environments.close(), edge.close()])
  }
}
