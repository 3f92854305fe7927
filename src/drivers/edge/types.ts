import type { Reading } from '../../core/instance/reading.ts'
import type { RoutingTable } from '../../core/route/route.ts'

/**
 * The data plane. It outlives the server. Unreachable is UnavailableError `edge.unreachable`; a table it cannot hold is
 * RejectedError `edge.refused`.
 */
export interface Edge {
  /**
   * Makes the edge serve exactly this table, and resolves with the generation it reads back. Idempotent; also the way a
   * freshly started server adopts a running edge. Never reloads for instances or routes; where its pool runs out it grows
   * it by one reload.
   */
  serve(table: RoutingTable): Promise<number>
  /** The generation that is served now, or null when it was never given one. */
  generation(): Promise<number | null>
  /**
   * Requests in flight (and queued) of each named instance, over all workers, old ones too. An instance the edge does not
   * name is 0. Throws when any worker cannot be asked: then nothing may be stopped.
   */
  inFlight(instances: readonly string[]): Promise<ReadonlyMap<string, number>>
  /**
   * What the edge has counted of each named instance since it began to count. An instance the edge does not name is not in the
   * answer. Throws as `inFlight`.
   */
  readings(instances: readonly string[]): Promise<ReadonlyMap<string, Reading>>
  /**
   * Requests of each arm that the edge answered itself, because no instance did: none was up, none could be connected to, or none
   * answered in time. Every one is a failure. What `readings` counts for an instance is not counted here. Throws as `inFlight`.
   */
  unanswered(arms: readonly string[]): Promise<ReadonlyMap<string, Reading>>
  /** How many requests of this environment wait at the moment because of its `hold`, over all workers. */
  held(environmentId: string): Promise<number>
  /** Instances that the table wants ready but the edge's own check took out: `serve` with a newer generation puts them in again. */
  takenOut(): Promise<readonly string[]>
  /** Ends what is still in flight to an instance that is out of traffic. Gives how many were cut. */
  cut(instance: string): Promise<number>
  info(): Promise<EdgeInfo>
}

export interface EdgeInfo {
  readonly name: string
  readonly version: string
  readonly generation: number | null
  /** For doctor. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly sentence: string }[]
}
