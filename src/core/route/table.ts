import { sha256 } from '../../lib/hash.ts'
import type { App } from '../app/app.ts'
import { PRODUCTION } from '../app/app.ts'
import { aimOf, type Deployment } from '../deployment/deployment.ts'
import { type Arm, armId, type Environment, otherArm } from '../environment/environment.ts'
import type { Instance } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'
import type { Domain, EnvironmentTraffic, RouteArm, RoutingTable, StatePage } from './route.ts'

/** Everything one environment brings to the table. */
export interface EnvironmentFacts {
  readonly environment: Environment
  readonly app: App
  readonly domains: readonly Domain[]
  readonly instances: readonly Instance[]
  /** The releases its instances run, by id. */
  readonly releases: ReadonlyMap<string, Release>
  /** What is being done with it; null: nothing. */
  readonly active: Pick<Deployment, 'status' | 'wish' | 'previous'> | null
}

/** All routes in one sorted table: the same facts give the same text. */
export function routingTable(generation: number, facts: readonly EnvironmentFacts[]): RoutingTable {
  const sorted = facts.toSorted((a, b) => (a.environment.id < b.environment.id ? -1 : 1))
  return {
    generation,
    routes: sorted
      .flatMap((one) => one.domains.map((domain) => ({ host: domain.host as string, path: domain.path as string, environmentId: one.environment.id })))
      .toSorted((a, b) => (`${a.host}${a.path}` < `${b.host}${b.path}` ? -1 : 1)),
    arms: sorted.flatMap((one) => [armOf(one, 'blue'), armOf(one, 'green')]).filter((arm) => arm.targets.length > 0),
    environments: Object.fromEntries(sorted.map((one) => [one.environment.id, trafficOf(one)])),
  }
}

/** What a table says, apart from its number. */
export function fingerprint(table: RoutingTable): string {
  return sha256(JSON.stringify({ ...table, generation: 0 }))
}

function armOf(facts: EnvironmentFacts, arm: Arm): RouteArm {
  const named = facts.instances.filter((instance) => instance.arm === arm && instance.traffic !== 'none' && instance.removedAt === null)
  const protocol = named.map((instance) => facts.releases.get(instance.releaseId)?.runSpec.protocol).find((one) => one !== undefined) ?? 'http'
  return {
    id: armId(facts.environment, arm),
    protocol,
    targets: named
      .map((instance) => ({ instance: instance.name, address: instance.address, port: instance.port, ready: instance.traffic === 'in' }))
      .toSorted((a, b) => (a.instance < b.instance ? -1 : 1)),
  }
}

function trafficOf(facts: EnvironmentFacts): EnvironmentTraffic {
  const { app, environment, releases } = facts
  const timeouts = [...releases.values()].map((release) => release.runSpec.requestTimeoutMs)
  return {
    title: environment.name === PRODUCTION ? app.name : `${app.name} (${environment.name})`,
    page: pageOf(facts),
    requestTimeoutMs: timeouts.length > 0 ? Math.max(...timeouts) : 3_600_000,
    ...wayOf(environment),
    repairMs: repairMsOf(facts),
  }
}

/** As long as requests wait by default for what is being repaired. */
const REPAIR_MS = 10_000

/** An environment that served, should serve, and is no crash loop: its requests wait while an instance is brought back. */
function repairMsOf({ environment, instances, active }: EnvironmentFacts): number {
  const wish = active ? aimOf(active) : environment.wish
  const served = instances.some((instance) => instance.removedAt === null && instance.proven)
  if (!wish.running || environment.removedAt !== null || !(served || environment.wish.running) || environment.wish.releaseId === null || isLooping(instances))
    return 0
  return environment.strategy.kind === 'recreate' ? environment.strategy.holdMs : REPAIR_MS
}

function isLooping(instances: readonly Instance[]): boolean {
  return instances.some((instance) => instance.removedAt === null && instance.crashes >= 3)
}

/** Where the requests of an environment go: all to one arm, a share to the other, or nowhere for now. */
function wayOf(environment: Environment): Pick<EnvironmentTraffic, 'stable' | 'candidate' | 'hold'> {
  const { share, hold, liveArm } = environment
  return { stable: armId(environment, liveArm), candidate: share && { arm: armId(environment, otherArm(liveArm)), ...share }, hold }
}

/** What visitors read while nothing is ready: of a stop from its beginning, for its traffic is stopped first. */
function pageOf(facts: EnvironmentFacts): StatePage {
  const { environment, instances, active } = facts
  const wish = active ? aimOf(active) : environment.wish
  if (environment.hold !== null) return { state: 'being updated', sentence: 'It is being updated right now. Try again in a moment.', retryAfterSeconds: 5 }
  if (wish.releaseId === null) return { state: 'not deployed', sentence: 'Nothing was deployed here yet.', retryAfterSeconds: 30 }
  if (!wish.running) return { state: 'stopped', sentence: 'It was stopped by its owners.', retryAfterSeconds: 60 }
  if (active) return { state: 'starting', sentence: 'It is being started right now. Try again in a moment.', retryAfterSeconds: 3 }
  if (isLooping(instances))
    return { state: 'crash looping', sentence: 'It keeps ending right after its start; its owners can see why in its logs.', retryAfterSeconds: 15 }
  return { state: 'not ready', sentence: 'No instance of it answers at the moment; one is being brought back.', retryAfterSeconds: 5 }
}
