import type { Readable } from 'node:stream'
import { BuildFailure } from '../../../core/build/build-failure.ts'

/**
 * Does not wait for work that cannot be interrupted: what it leaves is removed with the build's boxes. A stream that it
 * sends is broken off, because the engine does not let go of a box while it is being filled.
 */
export async function orCancelled<T>(signal: AbortSignal, work: Promise<T>, sent?: Readable): Promise<T> {
  const stop = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    const cancel = (): void => {
      sent?.destroy(cancelled())
      reject(cancelled())
    }
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true, signal: stop.signal })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    stop.abort()
  }
}

/** The end of a build that somebody cancelled. */
export function cancelled(): BuildFailure {
  return new BuildFailure('requested', 'The build was cancelled')
}
