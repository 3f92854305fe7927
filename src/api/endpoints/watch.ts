import { pause } from '../../lib/clock.ts'
import type { Store } from '../../store/types.ts'
import type { LiveMessage } from '../live.ts'

/** Looked at again this often although nothing was committed: seconds of running steps grow. */
const LOOK_MS = 1_000
/** Commits come in bursts; a reader needs no more than this many pictures a second. */
const GAP_MS = 100

/** What a look found. */
export interface Look<T> {
  readonly data: T
  /** It will not change any more. */
  readonly ended: boolean
}

/** Looks again after each commit, and gives what differs from the look before, until it has ended. */
export async function* watch<T>(store: Store, look: () => Promise<Look<T>>, signal: AbortSignal): AsyncGenerator<LiveMessage<T>> {
  let wake: () => void = () => undefined
  const unsubscribe = store.onCommit(() => wake())
  try {
    let last = ''
    while (!signal.aborted) {
      const news = new Promise<void>((resolve) => {
        wake = resolve
      })
      const { data, ended } = await look()
      const text = JSON.stringify(data)
      if (text !== last) yield { data }
      last = text
      if (ended) return
      await Promise.race([news, pause(LOOK_MS, signal)])
      await pause(GAP_MS, signal)
    }
  } finally {
    unsubscribe()
  }
}
