import { LONGEST_TIMER_MS } from './duration.ts'

/** Time as the rest of the code sees it; tests bring their own. */
export interface Clock {
  /** Wall time, milliseconds since 1970: for people and records, never for deadlines. */
  now(): number
  /** Milliseconds that only grow, from an arbitrary start: for deadlines. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** Resolves after `ms`, or at once when the signal aborts (it does not reject: the caller looks at the signal). */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    // A longer wait than a timer can take ends early: whoever waits looks again anyway.
    const timer = setTimeout(finish, Math.min(ms, LONGEST_TIMER_MS))
    function finish(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    signal?.addEventListener('abort', finish, { once: true })
  })
}
