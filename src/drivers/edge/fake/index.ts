import { isIP } from 'node:net'
import { z } from 'zod'
import { malformedTraffic, type RoutingTable } from '../../../core/route/route.ts'
import { pause } from '../../../lib/clock.ts'
import { RejectedError, UnavailableError } from '../../../lib/errors.ts'
import type { Driver } from '../../driver.ts'
import type { Edge } from '../types.ts'
import { FakePlane } from './plane.ts'

export const Config = z
  .strictObject({
    httpPort: z.number().int().min(0).max(65_535).describe('Port for HTTP; 0 takes a free one'),
    delayMs: z.number().int().min(0).default(0).describe('How long every answer of the edge to the server takes'),
  })
  .describe('Routing inside the server itself, for trying and for tests')

/** A reverse proxy in the server's own process: for `bin/dev` without HAProxy, and for tests. It ends with the server. */
export const fake: Driver<FakeEdge, typeof Config, unknown> = {
  name: 'fake',
  Config,
  create: async (config) => {
    const plane = await FakePlane.open(config.httpPort)
    return fakeEdge(plane, { delayMs: config.delayMs })
  },
}

/** How it misbehaves; may be changed while it runs. */
export interface FakeKnobs {
  /** So many next calls fail as if the edge could not be reached. */
  failNext: number
  delayMs: number
}

export interface FakeEdge extends Edge {
  readonly plane: FakePlane
  readonly knobs: FakeKnobs
}

/** The port's side of a plane. Several may be opened on one plane, as after a restart of the server. */
export function fakeEdge(plane: FakePlane, knobs: Partial<FakeKnobs> = {}): FakeEdge {
  const set: FakeKnobs = { failNext: 0, delayMs: 0, ...knobs }
  const act = async <T>(what: () => T): Promise<T> => {
    if (set.delayMs > 0) await pause(set.delayMs)
    if (set.failNext > 0) {
      set.failNext -= 1
      throw new UnavailableError('edge.unreachable', 'The fake edge was told to fail.')
    }
    return what()
  }
  return {
    plane,
    knobs: set,
    serve: (table) => act(() => serve(plane, table)),
    generation: () => act(() => plane.generation),
    inFlight: (instances) => act(() => new Map(instances.map((instance) => [instance, plane.inFlight(instance)]))),
    readings: (instances) =>
      act(
        () =>
          new Map(
            instances.flatMap((instance) => {
              const reading = plane.reading(instance)
              return reading ? [[instance, reading] as const] : []
            }),
          ),
      ),
    unanswered: (arms) =>
      act(
        () =>
          new Map(
            arms.map((arm) => {
              const failures = plane.unanswered(arm)
              return [arm, { epoch: 'fake', requests: failures, failures, answerMs: 0 }] as const
            }),
          ),
      ),
    held: (environmentId) => act(() => plane.held(environmentId)),
    takenOut: () => act(() => []),
    cut: (instance) => act(() => plane.cut(instance)),
    info: () =>
      act(() => ({
        name: 'fake',
        version: '1',
        generation: plane.generation,
        checks: [{ name: 'process', ok: true, sentence: `A proxy inside the server listens on port ${plane.port}; it ends with the server` }],
      })),
  }
}

function serve(plane: FakePlane, table: RoutingTable): number {
  const h2c = table.arms.find((arm) => arm.protocol === 'h2c' && arm.targets.length > 0)
  if (h2c) throw new RejectedError('edge.refused', `The fake edge speaks HTTP/1.1 only, and ${h2c.id} needs h2c. Use the driver haproxy.`)
  const broken = table.arms.flatMap((arm) => arm.targets).find((target) => isIP(target.address) === 0)
  if (broken) throw new RejectedError('edge.refused', `The address ${JSON.stringify(broken.address)} of ${broken.instance} is not an IP address.`)
  const odd = Object.values(table.environments)
    .map(malformedTraffic)
    .find((fault) => fault !== null)
  if (odd) throw new RejectedError('edge.refused', `The edge cannot serve ${odd}: it is not well-formed.`)
  plane.take(table)
  return table.generation
}
