// What doctor says of HAProxy. Pure.
import type { EdgeInfo } from '../types.ts'
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
}

/** Version, generation and the checks, each with a sentence that says what to do. */
export function infoOf({ config, isWritable, pool, workers, generation }: InfoFacts): EdgeInfo {
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
    ],
  }
}
