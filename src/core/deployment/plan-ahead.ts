import { EVERYTHING } from '../actor/actor.ts'
import type { Manifest } from '../app/manifest.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import { instanceName } from '../environment/journal.ts'
import { type Senses, type Snapshot, takeSnapshot, worldOf } from '../environment/snapshot.ts'
import type { Strategy } from '../environment/strategy.ts'
import type { Observer } from '../instance/observer.ts'
import type { Prober } from '../instance/probe.ts'
import type { RouteReconciler } from '../route/reconciler.ts'
import { type Deployment, type DeploymentVerb, isDeploymentFinished } from './deployment.ts'
import { inputsOf } from './open.ts'
import { plan } from './plan.ts'
import type { Plan, StepKind } from './step.ts'
import type { World } from './world.ts'

interface Sight {
  readonly observer: Pick<Observer, 'of'>
  readonly prober: Prober
  readonly routes: Pick<RouteReconciler, 'confirmed'>
}

export interface PlannedStep {
  readonly batch: number
  readonly kind: StepKind
  readonly percent: number | null
  readonly instance: string | null
  readonly arm: string | null
}

export interface Ahead {
  readonly environment: Environment
  readonly verb: DeploymentVerb
  readonly releaseId: string | null
  readonly count: number | null
  readonly manifest: Manifest
}

/** What a verb would do, step by step, without doing any of it: the planner on the world as it is now. */
export async function planAhead(context: Context, sight: Sight, ahead: Ahead): Promise<PlannedStep[]> {
  const snapshot = await takeSnapshot(context, ahead.environment.id)
  if (!snapshot) return []
  const strategy: Strategy =
    ahead.verb === 'deploy' && ahead.manifest.strategy && ahead.environment.strategySetBy !== 'operator' ? ahead.manifest.strategy : ahead.environment.strategy
  const last = await context.store.read.deployments.list(EVERYTHING, {
    where: { environmentId: ahead.environment.id },
    orderBy: 'number',
    descending: true,
    limit: 1,
  })
  const number = (last[0]?.number ?? 0) + 1
  const inputs = inputsOf({ ...ahead.environment, strategy }, { verb: ahead.verb, request: { releaseId: ahead.releaseId, count: ahead.count }, number })
  const runs = inputs.wish.running && (inputs.wish.releaseId !== null || ahead.verb === 'deploy')
  const migrates = ahead.verb === 'deploy' && (ahead.manifest.release_command ?? snapshot.release?.runSpec.releaseCommand ?? null) !== null
  const world: World = {
    ...worldOf(snapshot, await sensesOf(context, sight, snapshot)),
    wanted: runs ? { set: inputs.wish.set, count: inputs.wish.count } : null,
    strategy: inputs.strategy,
    soaked: 0,
    once: !runs || ahead.verb === 'scale' ? [] : migrates ? ['check', 'release-command'] : ['check'],
  }
  return flatten(plan(world), (place) => instanceName(snapshot, context.store.installation, place))
}

/** The steps a running deployment still has before it, as `start shop-production-4-0`. */
export async function stepsAhead(context: Context, sight: Sight, deployment: Deployment): Promise<string[]> {
  if (isDeploymentFinished(deployment) || deployment.status === 'queued') return []
  // Pictures are asked for often: the newest listing is good enough for them, the engine is not asked each time.
  const seen = { store: context.store, runtime: { observe: async (id?: string) => sight.observer.of(id ?? '') } }
  const snapshot = await takeSnapshot(seen, deployment.environmentId)
  if (!snapshot || snapshot.active?.id !== deployment.id) return []
  const steps = flatten(plan(worldOf(snapshot, await sensesOf(context, sight, snapshot))), (place) => instanceName(snapshot, context.store.installation, place))
  return steps.map((step) => [step.kind, ...(step.percent === null ? [] : [`${step.percent} %`]), ...(step.instance === null ? [] : [step.instance])].join(' '))
}

async function sensesOf(context: Context, sight: Sight, snapshot: Snapshot): Promise<Senses> {
  const out = snapshot.instances.filter((instance) => instance.traffic === 'out').map((instance) => instance.name)
  const inFlight = out.length === 0 ? new Map<string, number>() : await context.edge.inFlight(out).catch(() => new Map<string, number>())
  return { probe: (name) => sight.prober.result(name), confirmedGeneration: sight.routes.confirmed, inFlight }
}

function flatten(planned: Plan, nameOf: (place: { readonly set: number; readonly ordinal: number }) => string): PlannedStep[] {
  return planned.batches.flatMap((batch, at) =>
    batch.lanes
      .flat()
      .map((step) => ({ batch: at + 1, kind: step.kind, percent: step.percent, instance: step.ordinal < 0 ? null : nameOf(step), arm: step.arm })),
  )
}
