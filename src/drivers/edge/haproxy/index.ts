import type { Reading } from '../../../core/instance/reading.ts'
import type { RoutingTable } from '../../../core/route/route.ts'
import { codeOf, UnavailableError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { Driver } from '../../driver.ts'
import type { Edge, EdgeInfo } from '../types.ts'
import { type HostFacts, structureOf } from './config.ts'
import { checkTable, desiredState, wordOf } from './desired.ts'
import { canHandOver, desiredOfOld, handedOver } from './difference.ts'
import { infoOf } from './info.ts'
import { hostFacts, Mirror } from './mirror.ts'
import { assign, atLeast, backendOf, bounded, emptyPool, leaving, release, serversOf, slotsOf } from './pool.ts'
import { givenSlots, readingOf, servingSlot, withBaselines } from './readings.ts'
import { recoveredPool } from './recover.ts'
import { reloadTo } from './reload.ts'
import { Config, edgeFolder, type Pool } from './schema.ts'
import { MasterSocket } from './socket.ts'
import { masterSocketPath, mastersOf, takeOver } from './start.ts'
import { type Load, Worker } from './worker.ts'

export interface EdgeNeeds {
  readonly log: Log
}

/** HAProxy beside us on this machine. Opening it does not ask it: it may come up after us. */
export const haproxy: Driver<Edge, typeof Config, EdgeNeeds> = {
  name: 'haproxy',
  Config,
  given: edgeFolder,
  create: async (config, needs) => {
    await takeOver(config)
    return new HaproxyEdge({ config, log: needs.log, host: await hostFacts(config) })
  },
}

interface EdgeParts {
  readonly config: Config
  readonly log: Log
  readonly host: HostFacts
}

class HaproxyEdge implements Edge {
  readonly #config: Config
  readonly #log: Log
  readonly #host: HostFacts
  readonly #mirror: Mirror
  readonly #socket: MasterSocket
  /** The worker spoken to last: it remembers what it holds. */
  #worker: Worker | null = null
  /** The table confirmed last, by the worker that confirmed it. */
  #served: { readonly pid: number; readonly text: string } | null = null
  #pool: Pool | null = null
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: EdgeParts) {
    this.#config = parts.config
    this.#log = parts.log
    this.#host = parts.host
    this.#mirror = new Mirror(parts.config, parts.host)
    this.#socket = new MasterSocket(masterSocketPath(parts.config))
  }

  serve(table: RoutingTable): Promise<number> {
    return this.#alone(async () => {
      try {
        return await this.#serve(table)
      } catch (error) {
        if (codeOf(error) === 'edge.unreachable') await this.#prepareStart(table)
        throw error
      }
    })
  }

  generation(): Promise<number | null> {
    return this.#alone(async () => (await this.#current()).worker.generation())
  }

  inFlight(instances: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#alone(() => this.#inFlight(instances))
  }

  readings(instances: readonly string[]): Promise<ReadonlyMap<string, Reading>> {
    return this.#alone(async () => {
      const pool = await this.#loadPool()
      const places = new Map(instances.map((instance) => [instance, servingSlot(pool, instance)]))
      const { worker } = await this.#current()
      const counts = await worker.counts([...new Set([...places.values()].flatMap((place) => (place === null ? [] : [place.backend])))])
      return new Map(
        [...places].flatMap(([instance, place]) => {
          const found = place && counts.get(serverName(place.backend, place.slot))
          return found ? [[instance, readingOf(found, { pool, place, worker: worker.pid })] as const] : []
        }),
      )
    })
  }

  unanswered(arms: readonly string[]): Promise<ReadonlyMap<string, Reading>> {
    return this.#alone(async () => {
      const pool = await this.#loadPool()
      const { worker } = await this.#current()
      const places = arms.flatMap((arm) => {
        const backend = backendOf(pool, arm)
        return backend === null ? [] : [[arm, backend] as const]
      })
      const counts = await worker.unanswered(places.map(([, backend]) => backend))
      return new Map(
        places.map(([arm, backend]) => {
          const failures = counts.get(backend) ?? 0
          return [arm, { epoch: `${worker.pid}/${backend}/unanswered`, requests: failures, failures, answerMs: 0 }] as const
        }),
      )
    })
  }

  held(environmentId: string): Promise<number> {
    return this.#alone(async () => {
      const counts = await Promise.all((await this.#everyWorker()).map((worker) => worker.held(wordOf(environmentId))))
      return counts.reduce((sum, count) => sum + count, 0)
    })
  }

  takenOut(): Promise<readonly string[]> {
    return this.#alone(async () => {
      const damaged = await this.#mirror.restore()
      if (damaged.length > 0) this.#log.warn('files of the edge were missing or changed, and are written again', { damaged })
      const used = Object.entries((await this.#loadPool()).backends).filter(([, { retired }]) => !retired)
      const down = await (await this.#current()).worker.takenOut(used.map(([name]) => name))
      return used.flatMap(([name, { slots }]) => slots.flatMap((slot, index) => (slot?.ready && down.has(serverName(name, index)) ? [slot.instance] : [])))
    })
  }

  cut(instance: string): Promise<number> {
    return this.#alone(async () => {
      const count = (await this.#inFlight([instance])).get(instance) ?? 0
      const servers = slotsOf(await this.#loadPool(), instance).map(({ backend, slot }) => serverName(backend, slot))
      for (const worker of await this.#everyWorker()) await worker.shutSessions(servers)
      return count
    })
  }

  info(): Promise<EdgeInfo> {
    return this.#alone(() => this.#info())
  }

  async #serve(table: RoutingTable): Promise<number> {
    checkTable(table)
    const text = JSON.stringify(table)
    const before = await this.#loadPool(table)
    const { worker } = await this.#current()
    if (this.#served?.pid === worker.pid && this.#served.text === text && leaving(before).length === 0) {
      if ((await worker.generation()) === table.generation) return table.generation
    }
    this.#served = null
    const pool = await this.#withCounts(worker, before, await this.#assigned(worker, before, table))
    const pid = await this.#bring(table, pool)
    // The table is served; what cannot be freed now is freed another time.
    await this.#tidy(table).catch((error: unknown) => this.#log.warn('slots of the edge were not freed', { error }))
    this.#served = { pid, text }
    return (await this.#workerOf(pid).generation()) ?? table.generation
  }

  /** HAProxy does not run, or cannot start from its files: they are written as the table wants them, so that its next start is right. */
  async #prepareStart(table: RoutingTable): Promise<void> {
    const pool = assign(atLeast(this.#pool ?? (await this.#mirror.readPool()) ?? emptyPool(this.#config.pool), this.#config.pool), table.arms)
    await this.#mirror
      .write(pool, desiredState(table, pool).maps, true)
      .catch((error: unknown) => this.#log.warn('the files of the edge were not prepared', { error }))
  }

  /** Decided before anything is written: a pool that HAProxy could not start with must not be what it starts from. */
  async #assigned(worker: Worker, before: Pool, table: RoutingTable): Promise<Pool> {
    const pool = assign(atLeast(before, this.#config.pool), table.arms)
    return serversOf(pool) > serversOf(before) ? bounded(before, pool, await worker.openFiles()) : pool
  }

  /** What slots counted for others before they are given away is not their new instance's. */
  async #withCounts(worker: Worker, before: Pool, pool: Pool): Promise<Pool> {
    const given = givenSlots(before, pool)
    if (given.length === 0) return pool
    const counts = await worker.counts([...new Set(given.map(({ backend }) => backend))])
    return withBaselines(pool, given, ({ backend, slot }) => {
      const counted = counts.get(serverName(backend, slot))
      return counted && { worker: worker.pid, ...counted }
    })
  }

  /** Mirror first, then the running workers, by a reload only where the structure differs. Gives the worker's pid. */
  async #bring(table: RoutingTable, pool: Pool): Promise<number> {
    const desired = desiredState(table, pool)
    const structure = structureOf({ config: this.#config, host: this.#host, pool })
    const { worker } = await this.#current()
    const reload = (await worker.structure()) !== structure
    await this.#mirror.write(pool, desired.maps, reload)
    this.#pool = pool
    if (reload) {
      this.#log.info('the edge hands over to a new worker', { before: worker.pid, structure })
      await reloadTo({ socket: this.#socket, before: worker.pid, structure, structureOf: (pid) => this.#workerOf(pid).structure() })
    }
    const { worker: serving, old } = await this.#current()
    await serving.sync(desired)
    for (const pid of old) await this.#syncOld(pid, desired)
    return serving.pid
  }

  /** An old worker takes no new connections, but requests on kept ones: they go on to the worker of now. */
  async #syncOld(pid: number, desired: ReturnType<typeof desiredState>): Promise<void> {
    try {
      const worker = new Worker({ socket: this.#socket, config: this.#config, pid })
      const view = await worker.view()
      await worker.sync(canHandOver(view) ? handedOver(desired) : desiredOfOld(view, desired))
    } catch (error) {
      this.#log.warn('an old worker of the edge did not take a change', { pid, error })
    }
  }

  /** Frees slots that nobody uses any more. What is still in flight is left for the next time. */
  async #tidy(table: RoutingTable): Promise<void> {
    const pool = await this.#loadPool()
    const backends = leaving(pool)
    if (backends.length === 0) return
    const loads = await this.#loads(backends)
    const freed = release(pool, (backend, slot) => loads.some((load) => (load.get(serverName(backend, slot)) ?? 0) > 0))
    if (JSON.stringify(freed) !== JSON.stringify(pool)) await this.#bring(table, freed)
  }

  async #inFlight(instances: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const pool = await this.#loadPool()
    const slots = new Map(instances.map((instance) => [instance, slotsOf(pool, instance)]))
    const backends = [...new Set([...slots.values()].flat().map(({ backend }) => backend))]
    const loads = await this.#loads(backends)
    const count = (backend: string, slot: number): number => loads.reduce((sum, load) => sum + (load.get(serverName(backend, slot)) ?? 0), 0)
    return new Map(instances.map((instance) => [instance, (slots.get(instance) ?? []).reduce((sum, { backend, slot }) => sum + count(backend, slot), 0)]))
  }

  /** The load of every worker. One that ended while it was asked has nothing in flight: then all are listed anew. */
  async #loads(backends: readonly string[]): Promise<readonly Load[]> {
    for (let round = 1; ; round += 1) {
      const workers = await this.#everyWorker()
      try {
        return await Promise.all(workers.map((worker) => worker.load(backends)))
      } catch (error) {
        const { current, old } = await this.#socket.workers()
        if (round === 3 || workers.every(({ pid }) => pid === current || old.includes(pid))) throw error
      }
    }
  }

  async #info(): Promise<EdgeInfo> {
    const isWritable = await this.#mirror.isWritable()
    const pool = await this.#loadPool().catch(() => emptyPool(this.#config.pool))
    const workers = await this.#socket.workers().catch(() => null)
    const generation = workers?.current ? await this.#workerOf(workers.current).generation() : null
    const [masters, damaged] = [await mastersOf(this.#config), await this.#mirror.damaged()]
    return infoOf({ config: this.#config, isWritable, pool, workers, generation, masters, damaged })
  }

  async #current(): Promise<{ readonly worker: Worker; readonly old: readonly number[] }> {
    const { current, old } = await this.#socket.workers()
    if (current === null) throw new UnavailableError('edge.unreachable', 'HAProxy has no worker that serves. Its own log says why.')
    return { worker: this.#workerOf(current), old }
  }

  async #everyWorker(): Promise<readonly Worker[]> {
    const { worker, old } = await this.#current()
    return [worker, ...old.map((pid) => new Worker({ socket: this.#socket, config: this.#config, pid }))]
  }

  #workerOf(pid: number): Worker {
    if (this.#worker?.pid !== pid) this.#worker = new Worker({ socket: this.#socket, config: this.#config, pid })
    return this.#worker
  }

  /** The pool as it was written last. Where that is lost, a worker in use is asked what it holds: that needs a table. */
  async #loadPool(table?: RoutingTable): Promise<Pool> {
    if (this.#pool) return this.#pool
    const written = await this.#mirror.readPool()
    if (written) {
      this.#pool = written
      return written
    }
    const { worker } = await this.#current()
    if ((await worker.generation()) === null) return emptyPool(this.#config.pool)
    if (table) return recoveredPool(await worker.view(), table.arms)
    throw new UnavailableError('edge.state_lost', `${this.#config.directory}/state.json is gone or broken. The next routing table brings it back.`)
  }

  /** One operation after another: a count must not fall between a reload and its confirmation. */
  #alone<T>(operation: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(operation)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

function serverName(backend: string, slot: number): string {
  return `${backend}/s${slot + 1}`
}
