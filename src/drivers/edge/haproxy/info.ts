// What doctor says of HAProxy. Pure.
import type { EdgeInfo } from '../types.ts'
import { COMPARE_MS } from './mirror.ts'
import { usage } from './pool.ts'
import type { Config, Pool } from './schema.ts'
import type { Workers } from './socket.ts'
import { masterSocketPath } from './start.ts'

export interface InfoFacts {
  readonly config: Config
  readonly isWritable: boolean
  readonly pool: Pool
  /** null: the master does not answer. */
  readonly workers: Workers | null
  readonly generation: number | null
  /** Pids of the HAProxy masters that were started with this folder's configuration. */
  readonly masters: readonly number[]
  /** Files of the folder that are missing or were changed by something else. */
  readonly damaged: readonly string[]
}

/** Version, generation and the checks, each with a sentence that says what to do. */
export function infoOf({ config, isWritable, pool, workers, generation, masters, damaged }: InfoFacts): EdgeInfo {
  const serves = workers !== null && workers.current !== null
  const socket = masterSocketPath(config)
  const inUse = usage(pool).filter(({ count }) => count > 0)
  return {
    name: 'haproxy',
    version: workers?.version ?? 'unknown',
    generation,
    checks: [
      {
        name: 'process',
        ok: serves,
        sentence: workers ? `HAProxy ${workers.version} answers on ${socket}` : `HAProxy does not answer on ${socket}: start it`,
      },
      {
        name: 'workers',
        ok: serves,
        sentence: `${workers?.current ? 1 : 0} worker serves, ${workers?.old.length ?? 0} from before a reload still finish requests`,
      },
      {
        name: 'masters',
        ok: masters.length <= 1,
        sentence:
          masters.length <= 1
            ? `No second HAProxy uses ${config.directory}`
            : `${masters.length} HAProxy masters (pids ${masters.join(', ')}) use ${config.directory}; requests that reach one without routes fail. ${extraMasters(socket)}`,
      },
      ...inUse.map(({ size, count, free }) => ({
        name: `pool ${size.name}`,
        ok: free > 0,
        sentence: `${count - free} of ${count} backends of ${size.slots} slots (${size.protocol}) are in use`,
      })),
      {
        name: 'mirror',
        ok: isWritable,
        sentence: isWritable
          ? `${config.directory} is writable`
          : `${config.directory} is not writable: correct its rights, or a crash of HAProxy brings back old routes`,
      },
      {
        name: 'files',
        ok: damaged.length === 0,
        sentence:
          damaged.length === 0
            ? 'The files HAProxy starts from are as Lockgate wrote them'
            : `${damaged.join(', ')} ${damaged.length === 1 ? 'is' : 'are'} missing or changed: a crash of HAProxy would bring back wrong routes. Lockgate writes them again within ${COMPARE_MS / 500} s; if this line stays, free the disk or correct the rights of ${config.directory}`,
      },
    ],
  }
}

function extraMasters(socket: string): string {
  return `End the one that does not answer on ${socket} ("kill PID"), or run bin/down and bin/up`
}
