import type { Context } from '../context.ts'

/** No pass counts more than this: while the server (or the whole machine) stood still no deadline was used up. */
const MOST_PER_PASS_MS = 2_000

/** How much of its deadline each open step has used: time is counted while we watch, not between two wall clocks. */
export class Budgets {
  readonly #context: Pick<Context, 'clock'>
  readonly #seen = new Map<string, { readonly at: number; readonly usedMs: number }>()

  constructor(context: Pick<Context, 'clock'>) {
    this.#context = context
  }

  /** Adds the time since the last look, and gives the sum in milliseconds. `keptMs`: what was used before our own start. */
  use(key: string, keptMs: number): number {
    const at = this.#context.clock.monotonic()
    const last = this.#seen.get(key)
    const usedMs = last === undefined ? keptMs : last.usedMs + Math.min(at - last.at, MOST_PER_PASS_MS)
    this.#seen.set(key, { at, usedMs })
    return usedMs
  }

  forget(key: string): void {
    this.#seen.delete(key)
  }
}

/** Longer than the pause between two tries and the deadline of one: more than that was no waiting of ours. */
const MOST_BETWEEN_TRIES_MS = 45_000

/** How long environments have been waiting for what is away. In memory only: a server that starts anew waits anew. */
export class Outages {
  readonly #context: Pick<Context, 'clock'>
  readonly #seen = new Map<string, { readonly at: number; readonly usedMs: number }>()

  constructor(context: Pick<Context, 'clock'>) {
    this.#context = context
  }

  /** Adds the time since the last failure, and gives the sum in milliseconds. */
  use(id: string): number {
    const at = this.#context.clock.monotonic()
    const last = this.#seen.get(id)
    const usedMs = last === undefined ? 0 : last.usedMs + Math.min(at - last.at, MOST_BETWEEN_TRIES_MS)
    this.#seen.set(id, { at, usedMs })
    return usedMs
  }

  end(id: string): void {
    this.#seen.delete(id)
  }
}
