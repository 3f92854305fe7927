import { pause } from '../../src/lib/clock.ts'

/** Waits until a condition holds, looking every few milliseconds. Throws with its name at the deadline. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, deadlineMs = 15_000): Promise<void> {
  const started = performance.now()
  while (!(await holds())) {
    if (performance.now() - started > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await pause(5)
  }
}
