import { messageOf } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { PRODUCTION } from '../app/app.ts'
import type { Build } from './build.ts'
import { nextBuilds } from './queue.ts'
import { move } from './record.ts'
import { type BuildContext, BuildWork, type WorkNeeds } from './work.ts'

export interface BuildNeeds extends WorkNeeds {
  /** Bytes free where builds and images need them. */
  readonly freeBytes: () => Promise<number>
  /** Removes what may go: tried before a build is refused for want of room. */
  readonly makeRoom: () => Promise<void>
  /** How many builds run at a time. */
  readonly parallelBuilds: number
}

/** Below this much free disk no build starts. */
export const LEAST_FREE_BYTES = 2 * 1024 ** 3
const MB = 1024 ** 2
/** What waits becomes urgent with time. */
const URGENCY_LOOK_MS = 30_000
/** When a build of an app began last is asked of so many builds. */
const LOOKED_BACK = 200

interface Working {
  readonly stop: AbortController
  readonly done: Promise<void>
}

/**
 * Begins builds as there is room, in the order of `nextBuilds`. Truth is in the table: a build that a killed server left
 * running is ended and done again.
 */
export class BuildReconciler {
  readonly #context: BuildContext
  readonly #needs: BuildNeeds
  readonly #working = new Map<string, Working>()
  readonly #onRoom: () => void
  readonly #unsubscribe: () => void
  #isClosing = false

  /** `onRoom` is called when a build has let go of everything it had: the next may begin. */
  constructor(context: BuildContext, needs: BuildNeeds, onRoom: () => void) {
    this.#context = context
    this.#needs = needs
    this.#onRoom = onRoom
    this.#unsubscribe = context.store.onCommit(({ events }) => {
      for (const event of events) if (event.kind === 'build.cancelled' && event.subject !== null) this.#working.get(event.subject)?.stop.abort()
    })
  }

  /** Ends what runs; the next server takes it up again. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#unsubscribe()
    for (const { stop } of this.#working.values()) stop.abort()
    await Promise.all([...this.#working.values()].map(({ done }) => done))
  }

  async pass(): Promise<PassResult> {
    const { read } = this.#context.store
    const running = await read.builds.list(EVERYTHING, { where: { status: 'running' } })
    for (const build of running) if (!this.#working.has(build.id)) await this.#again(build)
    const queued = await read.builds.list(EVERYTHING, { where: { status: 'queued' } })
    if (queued.length === 0) return {}
    // Cancelled ones count until they have let go of their boxes and of the app's cache.
    const busy = await Promise.all([...this.#working.keys()].map((id) => read.builds.get(EVERYTHING, id)))
    const next = nextBuilds(queued, {
      running: busy,
      slots: this.#needs.parallelBuilds,
      lastBegun: await this.#lastBegun(),
      productionIds: await this.#productionIds(queued),
      now: this.#context.clock.now(),
    })
    if (next.length > 0) {
      const free = await this.#room()
      for (const build of next) this.#begin(build, free)
    }
    return queued.length > next.length ? { afterMs: URGENCY_LOOK_MS } : {}
  }

  async #again(build: Build): Promise<void> {
    await this.#needs.builder.clean(build.id)
    await this.#context.store.transaction((tx) =>
      move(tx, build, { status: 'queued', cause: 'requested', message: 'the server was restarted; it is built again' }),
    )
  }

  async #room(): Promise<number> {
    const free = await this.#needs.freeBytes()
    if (free >= LEAST_FREE_BYTES) return free
    await this.#needs.makeRoom()
    return this.#needs.freeBytes()
  }

  #begin(build: Build, free: number): void {
    if (this.#isClosing) return
    const stop = new AbortController()
    const done = this.#work(build, { free, signal: stop.signal })
      .catch((error: unknown) => this.#context.log.error('the end of a build could not be written', { build: build.id, error: messageOf(error) }))
      .finally(() => {
        this.#working.delete(build.id)
        this.#onRoom()
      })
    // Known from here on: a cancel that comes while its begin is written ends it too.
    this.#working.set(build.id, { stop, done })
  }

  async #work(queued: Build, given: { readonly free: number; readonly signal: AbortSignal }): Promise<void> {
    const build = await this.#context.store.transaction((tx) => this.#begun(tx, queued, given.free))
    if (build === null || given.signal.aborted) return
    await new BuildWork(this.#context, this.#needs, { build, signal: given.signal }).run()
  }

  /** null: it ended before it began. */
  async #begun(tx: Tx, queued: Build, free: number): Promise<Build | null> {
    const current = await tx.builds.get(EVERYTHING, queued.id)
    if (current.status !== 'queued') return null
    const now = this.#context.clock.now()
    const begun = await move(tx, current, { status: 'running', cause: 'requested', message: '', startedAt: now })
    if (free >= LEAST_FREE_BYTES) return begun
    await move(tx, begun, {
      status: 'failed',
      cause: 'disk_low',
      message: `only ${Math.floor(free / MB)} MB of disk are free, and a build needs ${LEAST_FREE_BYTES / MB} MB: "lockgate disk" shows what takes it and what may go`,
      finishedAt: now,
    })
    return null
  }

  async #lastBegun(): Promise<ReadonlyMap<string, number>> {
    const recent = await this.#context.store.read.builds.list(EVERYTHING, { orderBy: 'startedAt', descending: true, limit: LOOKED_BACK })
    const last = new Map<string, number>()
    for (const { appId, startedAt } of recent) if (startedAt !== null && startedAt > (last.get(appId) ?? 0)) last.set(appId, startedAt)
    return last
  }

  async #productionIds(queued: readonly Build[]): Promise<ReadonlySet<string>> {
    const environments = await this.#context.store.read.environments.list(EVERYTHING, {
      where: { name: PRODUCTION, id: queued.map((one) => one.environmentId) },
    })
    return new Set(environments.map((environment) => environment.id))
  }
}
