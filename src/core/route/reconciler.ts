import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { ACTIVE_STATUSES } from '../deployment/deployment.ts'
import type { Release } from '../release/release.ts'
import type { RoutingTable } from './route.ts'
import { type EnvironmentFacts, fingerprint, routingTable } from './table.ts'

/** How often the edge is compared with the tables although nothing woke us. */
const COMPARE_MS = 2_000

/**
 * Makes the edge serve the routing table and knows which generation it serves: the only caller of an edge's `serve`.
 * Everyone else reads `confirmed`.
 */
export class RouteReconciler {
  readonly #context: Pick<Context, 'store' | 'edge' | 'log'>
  readonly #onConfirmed: () => void
  readonly #isReady: (instance: string) => boolean
  #confirmed = 0
  #served: string | null = null
  #unreachableSince: string | null = null

  /** `isReady`: what our probes say of an instance; the edge's own check only takes out, putting in again is ours. */
  constructor(context: Pick<Context, 'store' | 'edge' | 'log'>, needs: { readonly onConfirmed: () => void; readonly isReady: (instance: string) => boolean }) {
    this.#context = context
    this.#onConfirmed = needs.onConfirmed
    this.#isReady = needs.isReady
  }

  /** The generation that the edge has said it serves; 0 before it was asked. */
  get confirmed(): number {
    return this.#confirmed
  }

  /** What is wrong with the edge, for people; null when it answers. */
  get trouble(): string | null {
    return this.#unreachableSince
  }

  async pass(): Promise<PassResult> {
    await this.#putInAgain()
    const table = await this.#table()
    const mark = fingerprint(table)
    try {
      const actual = this.#served === mark ? await this.#context.edge.generation() : null
      if (actual === table.generation && this.#confirmed === table.generation) return { afterMs: COMPARE_MS }
      const generation = await this.#context.edge.serve(table)
      this.#unreachableSince = null
      this.#served = mark
      const isNews = generation !== this.#confirmed
      this.#confirmed = generation
      if (isNews) this.#onConfirmed()
      return { afterMs: COMPARE_MS }
    } catch (error) {
      this.#unreachableSince = error instanceof Error ? error.message : String(error)
      throw error
    }
  }

  /** An instance that answers us, and that the edge took out by itself, gets a new generation: serving it puts it in. */
  async #putInAgain(): Promise<void> {
    if (this.#confirmed === 0) return
    const out = await this.#context.edge.takenOut()
    if (out.some((instance) => this.#isReady(instance))) await this.#context.store.transaction((tx) => tx.nextEdgeGeneration())
  }

  async #table(): Promise<RoutingTable> {
    const { read } = this.#context.store
    // The generation is read first: a change that comes in between is then served under its older number, never the other way.
    const generation = await read.edgeGeneration()
    const apps = new Map((await read.apps.list(EVERYTHING, { where: { goneAt: null } })).map((app) => [app.id, app]))
    const environments = await read.environments.list(EVERYTHING, { where: { goneAt: null } })
    const domains = await read.domains.list(EVERYTHING)
    const instances = await read.instances.list(EVERYTHING, { where: { removedAt: null } })
    const active = new Map((await read.deployments.list(EVERYTHING, { where: { status: ACTIVE_STATUSES } })).map((one) => [one.environmentId, one]))
    const releaseIds = [...new Set(instances.map((instance) => instance.releaseId))]
    const releases = releaseIds.length === 0 ? [] : await read.releases.list(EVERYTHING, { where: { id: releaseIds } })
    const byId = new Map<string, Release>(releases.map((release) => [release.id, release]))
    const facts = environments.flatMap((environment): EnvironmentFacts[] => {
      const app = apps.get(environment.appId)
      if (!app) return []
      const own = instances.filter((instance) => instance.environmentId === environment.id)
      return [
        {
          environment,
          app,
          domains: domains.filter((domain) => domain.environmentId === environment.id),
          instances: own,
          releases: new Map(own.flatMap((instance) => (byId.has(instance.releaseId) ? [[instance.releaseId, byId.get(instance.releaseId) as Release]] : []))),
          active: active.get(environment.id) ?? null,
        },
      ]
    })
    return routingTable(generation, facts)
  }
}
