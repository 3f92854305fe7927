// A world that stands still: whatever is asked of the engine and of the edge, nothing changes any more.
import type { Context } from '../../src/core/context.ts'
import type { ObservedInstance } from '../../src/core/instance/instance.ts'
import { UnavailableError } from '../../src/lib/errors.ts'

/**
 * still: every verb succeeds and has no effect, and a request is in flight for ever. silent: every verb fails as if nobody
 * answered, and what is in flight is unknown.
 */
export type Freeze = 'still' | 'silent'

/** The context's engine and edge, until they are frozen and after they are thawed. */
export function freezable(): { around(context: Context): Context; freeze(how: Freeze): Promise<void>; thaw(): void } {
  let how: Freeze | null = null
  let seen: readonly ObservedInstance[] = []
  let generation = 0
  let real: Context | null = null
  const away = (): UnavailableError => new UnavailableError('runtime.unreachable', 'the world stands still')
  const verb =
    <A extends readonly unknown[]>(work: (...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      if (how === 'silent') throw away()
      if (how === null) await work(...args)
    }
  return {
    freeze: async (next) => {
      seen = (await real?.runtime.observe()) ?? []
      generation = (await real?.edge.generation()) ?? 0
      how = next
    },
    thaw: () => {
      how = null
    },
    around: (context) => {
      real = context
      const { runtime, edge } = context
      return {
        ...context,
        runtime: {
          ...runtime,
          observe: async (id) => (how === null ? runtime.observe(id) : seen.filter((one) => id === undefined || one.environmentId === id)),
          ensure: verb(runtime.ensure),
          start: verb(runtime.start),
          stop: verb(runtime.stop),
          remove: verb(runtime.remove),
          removeNetwork: verb(runtime.removeNetwork),
        },
        edge: {
          ...edge,
          serve: async (table) => {
            if (how === 'silent') throw away()
            return how === null ? edge.serve(table) : generation
          },
          generation: async () => (how === null ? edge.generation() : generation),
          inFlight: async (names) => {
            if (how === 'silent') throw away()
            return how === null ? edge.inFlight(names) : new Map(names.map((name) => [name, 1]))
          },
          cut: async (name) => (how === null ? edge.cut(name) : 1),
        },
      }
    },
  }
}
