import { pause } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Context } from '../context.ts'
import type { ObservedInstance } from './instance.ts'

/** A full listing this often is the truth; the engine's events only bring the next one forward. */
const LISTING_MS = 1_000

interface Needs {
  readonly changed: (environmentId: string) => void
  readonly listed: (all: readonly ObservedInstance[]) => void
  /** The engine answers again: what waits for it need not wait for the end of its back-off. */
  readonly back: () => void
}

/** Sees what runs: the newest full listing, at most a second old, and who changed since the one before. */
export class Observer {
  readonly #context: Pick<Context, 'runtime' | 'log'>
  readonly #needs: Needs
  readonly #stop = new AbortController()
  #latest = new Map<string, ObservedInstance>()
  #hint: (() => void) | null = null
  #trouble: string | null = null
  #done: Promise<unknown> = Promise.resolve()

  constructor(context: Pick<Context, 'runtime' | 'log'>, needs: Needs) {
    this.#context = context
    this.#needs = needs
  }

  start(): void {
    this.#done = Promise.all([this.#list(), this.#listen()])
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#hint?.()
    await this.#done
  }

  of(environmentId: string): ObservedInstance[] {
    return [...this.#latest.values()].filter((observed) => observed.environmentId === environmentId)
  }

  /** Why the engine could not be asked last time; null when it answered. */
  get trouble(): string | null {
    return this.#trouble
  }

  async #list(): Promise<void> {
    const signal = this.#stop.signal
    while (!signal.aborted) {
      try {
        this.#compare(await this.#context.runtime.observe())
        const wasAway = this.#trouble !== null
        this.#trouble = null
        if (wasAway) this.#needs.back()
      } catch (error) {
        if (this.#trouble === null) this.#context.log.warn('the engine does not answer', { error: messageOf(error) })
        this.#trouble = messageOf(error)
      }
      await Promise.race([pause(LISTING_MS, signal), new Promise<void>((resolve) => (this.#hint = resolve))])
    }
  }

  /** Hints: never trusted, only a reason to look now. */
  async #listen(): Promise<void> {
    const signal = this.#stop.signal
    while (!signal.aborted) {
      try {
        for await (const _name of this.#context.runtime.watch(signal)) this.#hint?.()
      } catch (error) {
        this.#context.log.debug('hints of the engine ended', { error: messageOf(error) })
      }
      await pause(LISTING_MS, signal)
    }
  }

  #compare(all: readonly ObservedInstance[]): void {
    const before = this.#latest
    this.#latest = new Map(all.map((observed) => [observed.name, observed]))
    this.#needs.listed(all)
    const changed = new Set<string>()
    for (const observed of all) if (JSON.stringify(before.get(observed.name)) !== JSON.stringify(observed)) changed.add(observed.environmentId)
    for (const observed of before.values()) if (!this.#latest.has(observed.name)) changed.add(observed.environmentId)
    for (const environmentId of changed) this.#needs.changed(environmentId)
  }
}
