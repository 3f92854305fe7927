// What runs, as observed now: the wish beside the world.
import type { z } from 'zod'
import { EVERYTHING } from '../core/actor/actor.ts'
import type { App as AppRecord } from '../core/app/app.ts'
import { ACTIVE_STATUSES, type Deployment } from '../core/deployment/deployment.ts'
import type { Environment as EnvironmentRecord } from '../core/environment/environment.ts'
import { resolveStrategy } from '../core/environment/strategy.ts'
import type { Instance, ObservedInstance } from '../core/instance/instance.ts'
import { type Release, releaseName } from '../core/release/release.ts'
import type { Handling } from './call.ts'
import type * as resource from './contract/resources.ts'
import { showStrategy } from './show.ts'

/** So many crashes in a row are a loop. */
const CRASH_LOOP = 3

type Status = z.input<typeof resource.Environment>
type InstanceStatus = z.input<typeof resource.InstanceStatus>

/** An app with all its environments as they are now. */
export async function showApp(handling: Handling, app: AppRecord): Promise<z.input<typeof resource.App>> {
  const { read } = handling.store
  const environments = await read.environments.list(EVERYTHING, { where: { appId: app.id, goneAt: null }, orderBy: 'createdAt' })
  const project = await read.projects.get(EVERYTHING, app.projectId)
  return {
    id: app.id,
    name: app.name,
    project: project.name,
    createdAt: app.createdAt,
    removing: app.removedAt !== null,
    gitPath: `/git/${app.name}.git`,
    root: app.root,
    watch: [...app.watch],
    environments: await Promise.all(environments.map((environment) => showEnvironment(handling, app, environment))),
  }
}

/** An environment as it is now: what was wished, what is observed, and in one word what that means. */
export async function showEnvironment(handling: Handling, app: AppRecord, environment: EnvironmentRecord): Promise<Status> {
  const { read } = handling.store
  const where = { environmentId: environment.id }
  const active = (await read.deployments.list(EVERYTHING, { where: { ...where, status: ACTIVE_STATUSES }, limit: 1 }))[0] ?? null
  const releases = new Map((await read.releases.list(EVERYTHING, { where })).map((release) => [release.id, release]))
  const current = environment.wish.releaseId === null ? null : (releases.get(environment.wish.releaseId) ?? null)
  const artifact = current && (await read.artifacts.get(EVERYTHING, current.artifactId))
  const records = await read.instances.list(EVERYTHING, { where: { ...where, removedAt: null } })
  const observed = new Map(handling.sight.observer.of(environment.id).map((one) => [one.name, one]))
  const instances = records
    .toSorted((a, b) => a.set - b.set || a.ordinal - b.ordinal)
    .map((record) =>
      showInstance(handling, { record, observed: observed.get(record.name), release: releaseName(releases.get(record.releaseId) ?? { number: 0 }) }),
    )
  const domains = await read.domains.list(EVERYTHING, { where, orderBy: 'createdAt' })
  const pins = await read.pins.list(EVERYTHING, { where })
  const pinned = [...releases.values()].filter((release) =>
    pins.some((pin) => pin.artifactId === release.artifactId && pin.configRevisionId === release.configRevisionId),
  )
  // A canary beside them is not what is counted on.
  const live = new Set(records.filter((record) => record.arm === environment.liveArm).map((record) => record.name))
  const ready = instances.filter((instance) => instance.state === 'ready' && instance.traffic === 'in' && live.has(instance.name)).length
  return {
    id: environment.id,
    app: app.name,
    name: environment.name,
    state: stateOf({ environment, active, ready, isLooping: records.some((record) => record.crashes >= CRASH_LOOP) }),
    release: current && releaseName(current),
    origin: artifact?.origin ?? null,
    count: environment.wish.count,
    ready,
    strategy: showStrategy(resolveStrategy(environment.strategy, { count: environment.wish.count, bringsNew: true })),
    share: environment.share?.percent ?? 0,
    watch: watchOf(environment, releases),
    branch: environment.branch,
    tags: environment.tags,
    trust: environment.trust,
    verify: environment.verify,
    urls: domains.filter((domain) => !domain.host.startsWith('*')).map((domain) => handling.urlOf(domain.host, domain.path)),
    domains: domains.map((domain) => ({ host: domain.host, path: domain.path, kind: domain.kind })),
    deploymentId: active?.id ?? null,
    blocked: active?.blocked ?? handling.sight.observer.trouble ?? handling.sight.routes.trouble,
    pinned: pinned.map(releaseName),
    instances,
  }
}

function watchOf({ watch, watchPolicy }: EnvironmentRecord, releases: ReadonlyMap<string, Release>): Status['watch'] {
  if (watch === null) return null
  const before = watch.before && { release: releaseName(releases.get(watch.before.releaseId) ?? { number: 0 }), sample: watch.before.sample }
  const { deploymentId, sample, worse } = watch
  return { deploymentId, secondsLeft: Math.max(0, Math.round((watchPolicy.forMs - watch.usedMs) / 1000)), sample, before, worse }
}

interface StateFacts {
  readonly environment: EnvironmentRecord
  readonly active: Deployment | null
  readonly ready: number
  /** One crashed several times in a row, and has not stayed up since: also while it answers for a moment. */
  readonly isLooping: boolean
}

function stateOf(facts: StateFacts): Status['state'] {
  const { environment, active, ready, isLooping } = facts
  if (environment.removedAt !== null) return 'removing'
  if (active?.status === 'paused') return 'paused'
  if (active) return active.wish.running ? 'deploying' : 'stopping'
  if (environment.wish.releaseId === null) return 'not deployed'
  if (!environment.wish.running) return 'stopped'
  if (isLooping) return 'crash looping'
  return ready >= environment.wish.count ? 'running' : 'degraded'
}

interface InstanceFacts {
  readonly record: Instance
  readonly observed: ObservedInstance | undefined
  readonly release: string
}

function showInstance(handling: Handling, facts: InstanceFacts): InstanceStatus {
  const { record, observed, release } = facts
  const probe = handling.sight.prober.result(record.name)
  return {
    name: record.name,
    release,
    ordinal: record.ordinal,
    state: instanceState(record, observed, probe.state),
    detail: record.fault ?? detailOf(observed, probe.lastAnswer ?? ''),
    address: `${record.address}:${record.port}`,
    traffic: record.traffic,
    restarts: Math.max(record.crashes, observed?.restarts ?? 0),
    startedAt: observed?.startedAt ?? null,
  }
}

function detailOf(observed: ObservedInstance | undefined, lastAnswer: string): string {
  if (observed?.state === 'exited') return `exit code ${observed.exitCode ?? '?'}${observed.oomKilled ? ' (out of memory)' : ''}`
  return observed?.oomKilled ? `${lastAnswer} (started again: it had run out of memory)` : lastAnswer
}

function instanceState(record: Instance, observed: ObservedInstance | undefined, probe: 'unknown' | 'ready' | 'not-ready'): InstanceStatus['state'] {
  if (record.crashes >= CRASH_LOOP && probe !== 'ready') return 'crash looping'
  if (!observed) return 'missing'
  if (observed.state === 'created') return 'created'
  if (observed.state === 'restarting') return observed.restarts >= CRASH_LOOP ? 'crash looping' : 'restarting'
  if (observed.state === 'exited') return 'exited'
  if (record.traffic === 'out') return 'draining'
  if (probe === 'ready' || (probe === 'unknown' && record.proven && record.traffic === 'in')) return 'ready'
  return record.proven ? 'not ready' : 'starting'
}
