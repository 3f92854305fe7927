// A small model of what Lockgate promises: releases, the queue of an environment, its wish and its route. It is written from
// the words of the design, not from the code, and is told only what the event log says.
import { EVERYTHING } from '../../src/core/actor/actor.ts'
import type { Deployment } from '../../src/core/deployment/deployment.ts'
import type { Wish } from '../../src/core/environment/environment.ts'
import type { Event } from '../../src/core/event/event.ts'
import type { Store } from '../../src/store/types.ts'

type Status = 'queued' | 'running' | 'paused' | 'reverting' | 'succeeded' | 'failed' | 'cancelled' | 'superseded'

const MAY_BECOME: Readonly<Record<Status, readonly Status[]>> = {
  queued: ['running', 'superseded', 'cancelled'],
  running: ['paused', 'reverting', 'succeeded', 'superseded'],
  paused: ['running', 'reverting', 'superseded'],
  reverting: ['failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
  superseded: [],
}
const ACTIVE: readonly Status[] = ['running', 'paused', 'reverting']

interface Known {
  readonly id: string
  readonly number: number
  readonly verb: Deployment['verb']
  readonly request: Deployment['request']
  status: Status
  /** What it brings, decided when it begins. */
  wish: Wish | null
}

/** Follows the events of one environment, and throws at the first that breaks a promise. */
export class Model {
  readonly #known = new Map<string, Known>()
  #seq = 0
  #newestLive = 0
  wish: Wish = { releaseId: null, set: 0, count: 1, running: true }

  /** Takes the events that are new. */
  async follow(store: Store): Promise<void> {
    for (;;) {
      const events = await store.read.eventsAfter(EVERYTHING, this.#seq, 200)
      if (events.length === 0) return
      for (const event of events) {
        this.#seq = event.seq
        if (event.kind.startsWith('deployment.')) await this.#take(store, event)
      }
    }
  }

  /** Whether requests must be answered now: something was deployed, and nobody stopped it. */
  get mustServe(): boolean {
    const active = this.#active()
    return this.wish.releaseId !== null && this.wish.running && active?.wish?.running !== false
  }

  get isIdle(): boolean {
    return [...this.#known.values()].every(({ status }) => MAY_BECOME[status].length === 0)
  }

  #active(): Known | undefined {
    return [...this.#known.values()].find(({ status }) => ACTIVE.includes(status))
  }

  async #take(store: Store, event: Event): Promise<void> {
    const id = event.subject ?? ''
    const status = event.kind.slice('deployment.'.length)
    if (status === 'cancel_requested' || status === 'pause_requested') return
    if (status === 'queued') {
      const { number, verb, request } = await store.read.deployments.get(EVERYTHING, id)
      this.#known.set(id, { id, number, verb, request, status: 'queued', wish: null })
      return
    }
    const known = this.#known.get(id)
    if (!known) throw new Error(`${event.kind} of ${id}, which was never opened`)
    this.#move(known, status === 'resumed' ? 'running' : (status as Status))
  }

  #move(known: Known, to: Status): void {
    const what = `${known.verb} ${known.number}: ${known.status} → ${to}`
    if (!MAY_BECOME[known.status].includes(to)) throw new Error(`${what} may not be`)
    const from = known.status
    known.status = to
    if (to === 'running' && from === 'queued') this.#begin(known, what)
    if (to === 'succeeded') this.#live(known, what)
    const active = [...this.#known.values()].filter(({ status }) => ACTIVE.includes(status))
    if (active.length > 1) throw new Error(`${what}: ${active.length} are active in one environment`)
  }

  #begin(known: Known, what: string): void {
    // In their order; only a newer release passes what waits before it, when it takes the place of a running one.
    const before = [...this.#known.values()].filter(({ status, number }) => status === 'queued' && number < known.number)
    const brings = known.verb === 'deploy' || known.verb === 'rollback'
    if (before.length > 0 && !brings) throw new Error(`${what}: ${before.length} that were asked for earlier still wait`)
    known.wish = wishOf(this.wish, known)
  }

  #live(known: Known, what: string): void {
    if (known.wish === null) throw new Error(`${what}: it never began`)
    if (known.verb === 'deploy' && known.number < this.#newestLive) throw new Error(`${what}: release of ${this.#newestLive} is live already`)
    if (known.verb === 'deploy') this.#newestLive = known.number
    this.wish = known.wish
  }
}

function wishOf(wish: Wish, { verb, request, number }: Known): Wish {
  switch (verb) {
    case 'deploy':
    case 'rollback':
      return { releaseId: request.releaseId, set: number, count: wish.count, running: true }
    case 'restart':
      return { ...wish, set: number }
    case 'scale':
      return { ...wish, count: request.count ?? wish.count }
    case 'stop':
      return { ...wish, running: false }
    case 'start':
      return wish.running ? wish : { ...wish, set: number, running: true }
  }
}
