import type { Context } from '../context.ts'

/** No pass counts more than this: while the server (or the whole machine) stood still no deadline was used up. */
const MOST_PER_PASS_MS = 2_000

/** How much of a deadline was used: time is counted while we watch, not between two wall clocks. */
export class Budgets {
  readonly #context: Pick<Context, 'clock'>
  readonly #mostPerLookMs: number
  readonly #seen = new Map<string, { readonly at: number; readonly usedMs: number }>()

  /** `mostPerLookMs`: more than that between two looks was no waiting of ours. */
  constructor(context: Pick<Context, 'clock'>, mostPerLookMs = MOST_PER_PASS_MS) {
    this.#context = context
    this.#mostPerLookMs = mostPerLookMs
  }

  /** Adds the time since the last look, and gives the sum in milliseconds. `keptMs`: what was used before our own start. */
  use(key: string, keptMs: number): number {
    const at = this.#context.clock.monotonic()
    const last = this.#seen.get(key)
    const usedMs = last === undefined ? keptMs : last.usedMs + Math.min(at - last.at, this.#mostPerLookMs)
    this.#seen.set(key, { at, usedMs })
    return usedMs
  }

  forget(key: string): void {
    this.#seen.delete(key)
  }
}
