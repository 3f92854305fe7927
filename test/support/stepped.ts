// The core, a pass at a time: nothing happens unless it is told, so that schedules can be drawn, and any of its calls can be
// the last before the process ends.
import { onTestFinished } from 'vitest'
import { type AppName, PRODUCTION } from '../../src/core/app/app.ts'
import { createApp } from '../../src/core/app/create.ts'
import type { Context } from '../../src/core/context.ts'
import type { Environment } from '../../src/core/environment/environment.ts'
import { EnvironmentReconciler } from '../../src/core/environment/reconciler.ts'
import { ask, type ProbeTarget } from '../../src/core/instance/ask.ts'
import type { ProbeResult } from '../../src/core/instance/instance.ts'
import { ensureDefaultProject } from '../../src/core/project/create.ts'
import { RouteReconciler } from '../../src/core/route/reconciler.ts'
import type { RoutingTable } from '../../src/core/route/route.ts'
import { openSealer } from '../../src/core/secret/seal.ts'
import { fakeEdge } from '../../src/drivers/edge/fake/index.ts'
import { FakePlane } from '../../src/drivers/edge/fake/plane.ts'
import { type Knobs, openFake } from '../../src/drivers/runtime/fake/index.ts'
import { PlatformError } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import { openAudit } from '../../src/store/audit.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { ADA } from './core.ts'
import { Faults } from './faults.ts'
import { coreSettings } from './settings.ts'
import { aFolder } from './store.ts'

/** Our clock goes on by this much with every pass. */
const PASS_MS = 500

export interface Stepped {
  readonly context: Context
  readonly knobs: Knobs
  /** What the edge serves. */
  readonly table: () => RoutingTable | null
  readonly environment: Environment
  /** One pass over the environment; what a work queue would repeat is let go. */
  passEnvironment(): Promise<void>
  passEdge(): Promise<void>
  /** Every instance that is watched is asked once. */
  probe(): Promise<void>
  /** From the n-th call from now on nothing of this server's life happens any more; the next pass is of its next life. */
  killAfter(calls: number): void
  close(): Promise<void>
}

/** What answers our probes, asked only when told. */
class SteppedProber {
  readonly #answers = new Map<string, ProbeResult>()
  #targets: readonly ProbeTarget[] = []

  watch(_environmentId: string, targets: readonly ProbeTarget[]): void {
    this.#targets = targets
    const names = new Set(targets.map((target) => target.name))
    for (const name of this.#answers.keys())
      if (!names.has(name)) this.#answers.set(name, { state: 'not-ready', lastAnswer: null, failuresInARow: 0, wasReady: false })
  }

  result(name: string): ProbeResult {
    return this.#answers.get(name) ?? { state: 'unknown', lastAnswer: null, failuresInARow: 0, wasReady: false }
  }

  async askAll(context: Context): Promise<void> {
    for (const target of this.#targets) {
      const { ok, text } = await ask(target, context.runtime)
      const wasReady = ok || this.result(target.name).wasReady
      this.#answers.set(target.name, { state: ok ? 'ready' : 'not-ready', lastAnswer: text, failuresInARow: ok ? 0 : 1, wasReady })
    }
  }
}

/** `passMs`: how far the clock goes on with every pass. `around`: what the loops get instead of the context. */
export interface SteppedOptions {
  readonly passMs?: number
  readonly around?: (context: Context) => Context
}

/** Starts one with an app; the caller closes it. */
export async function aSteppedCore(range: string, how: SteppedOptions = {}): Promise<Stepped> {
  let now = 0
  const clock = { now: () => 1_700_000_000_000 + now, monotonic: () => now }
  const store = await openSqlite({ directory: await aFolder(), clock, audit: await openAudit(await aFolder()), software: 'test' })
  const { runtime, knobs } = openFake()
  const plane = await FakePlane.open(0)
  const inner = fakeEdge(plane)
  let served: RoutingTable | null = null
  const serve = async (table: RoutingTable): Promise<number> => {
    const generation = await inner.serve(table)
    served = table
    return generation
  }
  const edge = { ...inner, serve }
  const sealer = await openSealer(await aFolder())
  const settings = coreSettings(range)
  const context: Context = { store, clock, log: silentLog, runtime, edge, sealer, logs: { finished: async () => undefined }, settings }
  await ensureDefaultProject(context)
  const [project] = await store.read.projects.list({ projectId: null })
  const { environment } = await createApp(context, { actor: ADA, projectId: project?.id ?? '', name: 'shop' as AppName })
  if (environment.name !== PRODUCTION) throw new Error('an app has another first environment than it had')

  const live = () => {
    const faults = new Faults()
    const own = faults.around(how.around?.(context) ?? context)
    const prober = new SteppedProber()
    const routes = new RouteReconciler(own, { onConfirmed: () => undefined, isReady: (name) => prober.result(name).state === 'ready' })
    const reconciler = new EnvironmentReconciler(own, { prober, routes, forgetApp: async () => true })
    return { faults, own, prober, routes, reconciler }
  }
  let life = live()
  const pass = async (work: () => Promise<unknown>): Promise<void> => {
    now += how.passMs ?? PASS_MS
    try {
      await work()
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error
    }
    if (life.faults.isDead) life = live()
  }
  const close = async (): Promise<void> => {
    for (const instance of await runtime.observe()) await runtime.remove(instance.name)
    await plane.close()
    await store.close()
  }
  onTestFinished(() => close().catch(() => undefined))
  return {
    context,
    knobs,
    table: () => served,
    environment,
    passEnvironment: () => pass(() => life.reconciler.pass(environment.id)),
    passEdge: () => pass(() => life.routes.pass()),
    probe: () => pass(() => life.prober.askAll(life.own)),
    killAfter: (calls) => life.faults.killAfter(calls),
    close,
  }
}
