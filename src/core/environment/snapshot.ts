import { EVERYTHING } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Context } from '../context.ts'
import { ACTIVE_STATUSES, aimOf, type Deployment } from '../deployment/deployment.ts'
import type { StepRecord } from '../deployment/step.ts'
import type { InstanceView, World } from '../deployment/world.ts'
import type { Instance, ObservedInstance, ProbeResult } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'
import type { Environment, Wish } from './environment.ts'
import { resolveStrategy } from './strategy.ts'

/** forward: towards a deployment's wish; back: towards what was before it; keep: no deployment, the wish is kept. */
export type Direction = 'forward' | 'back' | 'keep'

/** Everything one pass looks at, read once. */
export interface Snapshot {
  readonly app: App
  readonly environment: Environment
  readonly active: Deployment | null
  readonly queued: readonly Deployment[]
  readonly direction: Direction
  readonly wish: Wish
  /** The release of the wish; null when nothing should run. */
  readonly release: Release | null
  /** Records of instances that are not gone. */
  readonly instances: readonly Instance[]
  readonly releases: ReadonlyMap<string, Release>
  readonly observed: ReadonlyMap<string, ObservedInstance>
  readonly openSteps: readonly StepRecord[]
  readonly once: World['once']
  /** The greatest share at which the new set of the deployment was found good. */
  readonly soaked: number
}

/** Reads it; null when the environment is gone. */
export async function takeSnapshot(
  context: Pick<Context, 'store'> & { readonly runtime: Pick<Context['runtime'], 'observe'> },
  environmentId: string,
): Promise<Snapshot | null> {
  const { read } = context.store
  const environment = await read.environments.find(EVERYTHING, environmentId)
  if (!environment || environment.goneAt !== null) return null
  const observed = await context.runtime.observe(environmentId)
  const app = await read.apps.get(EVERYTHING, environment.appId)
  const active = (await read.deployments.list(EVERYTHING, { where: { environmentId, status: ACTIVE_STATUSES }, limit: 1 }))[0] ?? null
  const direction: Direction = active === null ? 'keep' : active.status === 'reverting' ? 'back' : 'forward'
  const kept = environment.removedAt === null ? environment.wish : { ...environment.wish, running: false }
  const wish = active === null ? kept : aimOf(active)
  const instances = await read.instances.list(EVERYTHING, { where: { environmentId, removedAt: null } })
  const releaseIds = new Set([...instances.map((instance) => instance.releaseId), ...(wish.releaseId === null ? [] : [wish.releaseId])])
  const releases = releaseIds.size === 0 ? [] : await read.releases.list(EVERYTHING, { where: { id: [...releaseIds] } })
  const byId = new Map(releases.map((release) => [release.id, release]))
  return {
    app,
    environment,
    active,
    queued: await read.deployments.list(EVERYTHING, { where: { environmentId, status: 'queued' }, orderBy: 'number' }),
    direction,
    wish,
    release: wish.running && wish.releaseId !== null ? (byId.get(wish.releaseId) ?? null) : null,
    instances,
    releases: byId,
    observed: new Map(observed.map((one) => [one.name, one])),
    openSteps: await read.steps.list(EVERYTHING, { where: { environmentId, status: 'intended' }, orderBy: 'seq' }),
    once: active === null || direction === 'back' ? [] : await onceOf(context, active, byId),
    soaked: active?.strategy.kind === 'canary' ? await soakedOf(context, active) : 0,
  }
}

async function soakedOf(context: Pick<Context, 'store'>, active: Deployment): Promise<number> {
  const done = await context.store.read.steps.list(EVERYTHING, { where: { deploymentId: active.id, status: 'done', kind: 'soak' } })
  return Math.max(0, ...done.map((step) => step.numbers.percent ?? 0))
}

/** One-time steps the journal does not show as done. Only what brings a new release is checked and migrated. */
async function onceOf(context: Pick<Context, 'store'>, active: Deployment, releases: ReadonlyMap<string, Release>): Promise<World['once']> {
  if (!active.wish.running || active.verb === 'scale') return []
  const done = await context.store.read.steps.list(EVERYTHING, { where: { deploymentId: active.id, status: 'done', kind: ['check', 'release-command'] } })
  const kinds = new Set(done.map((step) => step.kind))
  const migrates = active.verb === 'deploy' && active.wish.releaseId !== null && releases.get(active.wish.releaseId)?.runSpec.releaseCommand
  return [...(kinds.has('check') ? [] : (['check'] as const)), ...(migrates && !kinds.has('release-command') ? (['release-command'] as const) : [])]
}

/** What a pass knows beside the tables: probes, the edge's confirmation, requests in flight. */
export interface Senses {
  readonly probe: (name: string) => ProbeResult
  readonly confirmedGeneration: number
  readonly inFlight: ReadonlyMap<string, number>
}

/** The snapshot as the planner sees it. */
export function worldOf(snapshot: Snapshot, senses: Senses): World {
  const { environment, wish, active } = snapshot
  const confirmed = senses.confirmedGeneration >= environment.routeGeneration
  return {
    wanted: snapshot.release === null ? null : { set: wish.set, count: wish.count },
    strategy: active?.strategy ?? resolveStrategy(environment.strategy, { count: wish.count, bringsNew: false }),
    liveArm: environment.liveArm,
    liveArmConfirmed: confirmed,
    share: environment.share?.percent ?? 0,
    soaked: snapshot.soaked,
    holds: environment.hold !== null,
    instances: snapshot.instances.map((instance) => viewOf(instance, { snapshot, senses, confirmed })),
    once: snapshot.once,
  }
}

function viewOf(instance: Instance, by: { readonly snapshot: Snapshot; readonly senses: Senses; readonly confirmed: boolean }): InstanceView {
  const observed = by.snapshot.observed.get(instance.name)
  const probe = by.senses.probe(instance.name)
  // Right after a start of the server nothing is known: what was in traffic is believed until a probe says otherwise.
  const wasCut = by.snapshot.openSteps.some(
    ({ instance: name, kind, numbers }) => name === instance.name && kind === 'stop-traffic' && numbers.left !== undefined,
  )
  const believed = probe.state === 'unknown' && instance.proven && instance.traffic === 'in'
  return {
    set: instance.set,
    ordinal: instance.ordinal,
    arm: instance.arm,
    container: !observed ? 'absent' : observed.state === 'restarting' ? 'running' : observed.state,
    ready: observed?.state === 'running' && (probe.state === 'ready' || believed),
    traffic: instance.traffic,
    unconfirmed: instance.traffic !== 'none' && !by.confirmed,
    // What is in flight to an address that leads nowhere has no answer to wait for.
    inFlight: instance.traffic !== 'out' ? null : wasCut || observed?.isAttached === false ? 0 : (by.senses.inFlight.get(instance.name) ?? null),
    faulty: instance.fault !== null || observed?.isAttached === false,
  }
}
