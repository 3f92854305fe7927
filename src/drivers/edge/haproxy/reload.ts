import { pause } from '../../../lib/clock.ts'
import { RejectedError } from '../../../lib/errors.ts'
import type { MasterSocket } from './socket.ts'

/** How long a new worker may take to start after a reload. */
const RELOAD_DEADLINE_MS = 20_000

export interface Reload {
  readonly socket: MasterSocket
  /** Pid of the worker that serves now. */
  readonly before: number
  /** What the new worker must say of itself. */
  readonly structure: string
  readonly structureOf: (pid: number) => Promise<string | null>
}

/** Has HAProxy start a worker from its file, and waits until it serves. Throws RejectedError `edge.refused`. */
export async function reloadTo({ socket, before, structure, structureOf }: Reload): Promise<void> {
  await socket.reload()
  const started = performance.now()
  while (performance.now() - started < RELOAD_DEADLINE_MS) {
    // The master starts itself anew: for some milliseconds its socket refuses.
    const workers = await socket.workers().catch(() => null)
    if (workers?.current && workers.current !== before && (await structureOf(workers.current).catch(() => null)) === structure) return
    await pause(20)
  }
  throw new RejectedError('edge.refused', `HAProxy did not start a worker with the new configuration in ${RELOAD_DEADLINE_MS / 1000} s. Its own log says why.`)
}
