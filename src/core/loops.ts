import { messageOf } from '../lib/errors.ts'
import { WorkQueue } from '../lib/work-queue.ts'
import { EVERYTHING } from './actor/actor.ts'
import { forgetApp } from './app/forget.ts'
import { type BuildNeeds, BuildReconciler } from './build/reconciler.ts'
import type { Context } from './context.ts'
import { type HousekeepingNeeds, keepHouse } from './disk/housekeeping.ts'
import { boundDisks } from './environment/disk-bound.ts'
import { EnvironmentReconciler } from './environment/reconciler.ts'
import { isAbout } from './event/event.ts'
import type { ObservedInstance } from './instance/instance.ts'
import { Observer } from './instance/observer.ts'
import { Prober } from './instance/probe.ts'
import { settlePushes } from './push/settle.ts'
import { RouteReconciler } from './route/reconciler.ts'
import { pollSource } from './source/poll.ts'

/** Every environment is looked at again this often, whatever woke it or did not. */
const WAKE_ALL_MS = 30_000

/** What the API may ask of the running loops: what is observed now, never what is wished. */
export interface Sight {
  readonly observer: Observer
  readonly prober: Prober
  readonly routes: RouteReconciler
}

export interface Loops extends Sight {
  close(): Promise<void>
}

/**
 * Starts the control loops: environments, the edge, builds. Events of committed transactions wake them early; the resync
 * makes every event optional, and work goes on after a restart because the first resync wakes everything.
 */
export function startLoops(
  context: Context,
  needs: BuildNeeds & Pick<HousekeepingNeeds, 'keepDatabase'> & { readonly listed: (all: readonly ObservedInstance[]) => void },
): Loops {
  const wakeEnvironment = (id: string): void => environments.wake(id)
  const prober = new Prober(context.runtime, (environmentId) => {
    wakeEnvironment(environmentId)
    edge.wake('edge')
  })
  const routes = new RouteReconciler(context, { onConfirmed: () => now(wakeAll), isReady: (name) => prober.result(name).state === 'ready' })
  const reconciler = new EnvironmentReconciler(context, { prober, routes, forgetApp: (app) => forgetApp(context, needs, app) })
  const builds = new BuildReconciler(context, needs, () => building.wake('builds'))
  const observer = new Observer(context, { changed: wakeEnvironment, listed: needs.listed, back: () => now(wakeAll) })

  const environments = new WorkQueue({ name: 'environments', work: (id) => reconciler.pass(id), log: context.log })
  const edge = new WorkQueue({ name: 'edge', work: () => routes.pass(), log: context.log, parallel: 1 })
  const pushes = new WorkQueue({ name: 'pushes', work: () => settlePushes(context, needs.source), log: context.log, parallel: 1 })
  const polling = new WorkQueue({ name: 'sources', work: (appId) => pollSource(context, needs.source, appId), log: context.log })
  const house = new WorkQueue({ name: 'housekeeping', work: () => keepHouse(context, needs), log: context.log, parallel: 1 })
  const disks = new WorkQueue({ name: 'disks of instances', work: () => boundDisks(context), log: context.log, parallel: 1 })
  const building = new WorkQueue({ name: 'builds', work: () => builds.pass(), log: context.log, parallel: 1 })

  async function wakeAll(): Promise<void> {
    for (const environment of await context.store.read.environments.list(EVERYTHING, { where: { goneAt: null } })) environments.wake(environment.id)
  }
  async function wakeSources(): Promise<void> {
    for (const source of await context.store.read.sources.list(EVERYTHING, {})) polling.wake(source.appId)
  }
  /** A database that cannot be read now is read at the next resync: no reason to end. */
  const now = (waking: () => Promise<void>): void => {
    waking().catch((error: unknown) => context.log.warn('not everything was woken', { error: messageOf(error) }))
  }

  const unsubscribe = context.store.onCommit(({ events, edgeGeneration }) => {
    for (const event of events) {
      if (event.environmentId !== null) environments.wake(event.environmentId)
      if (isAbout(event, 'build')) building.wake('builds')
      if (event.kind === 'source.set' && event.appId !== null) polling.wake(event.appId)
      if (isAbout(event, 'build', 'deployment')) pushes.wake('pushes')
    }
    if (events.length > 0 || edgeGeneration !== null) edge.wake('edge')
  })
  const resync = setInterval(() => {
    pushes.wake('pushes')
    now(wakeAll)
    now(wakeSources)
  }, WAKE_ALL_MS)
  observer.start()
  edge.wake('edge')
  building.wake('builds')
  pushes.wake('pushes')
  now(wakeSources)
  house.wake('house')
  disks.wake('disks')
  now(wakeAll)

  return {
    observer,
    prober,
    routes,
    close: async () => {
      clearInterval(resync)
      unsubscribe()
      prober.close()
      await Promise.all([observer.close(), builds.close()])
      await Promise.all([environments.close(), edge.close(), building.close(), pushes.close(), polling.close(), house.close(), disks.close()])
    },
  }
}
