import { backoffMs } from './backoff.ts'
import { PlatformError } from './errors.ts'
import type { Log } from './log.ts'

/** What a pass says: come back after so many milliseconds, or only when woken. */
export interface PassResult {
  readonly afterMs?: number
}

export interface WorkQueueOptions {
  readonly name: string
  readonly work: (id: string) => Promise<PassResult>
  readonly log: Log
  /** Passes of different ids side by side; one id has one pass at a time, always. */
  readonly parallel?: number
}

/**
 * The queue of a control loop. It holds ids only: truth is in the tables, so nothing is lost with it. An id woken during
 * its own pass gets one more pass. A pass that throws comes back with back-off; nothing a pass throws ends the loop.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions
  readonly #waiting = new Set<string>()
  readonly #running = new Set<string>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #failures = new Map<string, number>()
  #closed = false
  #idle: (() => void) | null = null

  constructor(options: WorkQueueOptions) {
    this.#options = options
  }

  wake(id: string): void {
    if (this.#closed) return
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    this.#waiting.add(id)
    this.#pump()
  }

  /** No new passes; resolves when the running ones have ended. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#waiting.clear()
    if (this.#running.size === 0) return
    await new Promise<void>((resolve) => {
      this.#idle = resolve
    })
  }

  #pump(): void {
    for (const id of this.#waiting) {
      if (this.#closed || this.#running.size >= (this.#options.parallel ?? 8)) return
      if (this.#running.has(id)) continue
      this.#waiting.delete(id)
      this.#running.add(id)
      void this.#pass(id)
    }
  }

  async #pass(id: string): Promise<void> {
    let afterMs: number | undefined
    try {
      afterMs = (await this.#options.work(id)).afterMs
      this.#failures.delete(id)
    } catch (error) {
      const failures = (this.#failures.get(id) ?? 0) + 1
      this.#failures.set(id, failures)
      afterMs = backoffMs(failures, 250, 10_000)
      this.#report(id, error, failures)
    }
    this.#running.delete(id)
    if (afterMs !== undefined && !this.#waiting.has(id)) this.#later(id, afterMs)
    if (this.#closed && this.#running.size === 0) this.#idle?.()
    this.#pump()
  }

  #report(id: string, error: unknown, failures: number): void {
    const expected = error instanceof PlatformError ? error : null
    const facts = { loop: this.#options.name, id, failures, error }
    if (expected?.retryable || expected?.code === 'store.stale') this.#options.log.info('pass will be repeated', { ...facts, error: expected.message })
    else this.#options.log.error('pass failed', facts)
  }

  #later(id: string, ms: number): void {
    if (this.#closed) return
    clearTimeout(this.#timers.get(id))
    const timer = setTimeout(() => this.wake(id), ms)
    timer.unref()
    this.#timers.set(id, timer)
  }
}
