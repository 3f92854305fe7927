// What doctor says: the parts of the machine, then each invariant that can be looked at from here.
import type { z } from 'zod'
import { EVERYTHING, type Scope } from '../core/actor/actor.ts'
import { ACTIVE_STATUSES } from '../core/deployment/deployment.ts'
import type { EventFault } from '../core/event/event.ts'
import type { ObservedInstance } from '../core/instance/instance.ts'
import { messageOf } from '../lib/errors.ts'
import type { Handling } from './call.ts'
import type * as resource from './contract/resources.ts'
import { examineApps } from './doctor-apps.ts'

type Check = z.input<typeof resource.Check>

/** All checks, each with what to do when it is not fine; names of apps only within the caller's scope. Never throws for what it checks. */
export async function examine(handling: Handling, scope: Scope): Promise<Check[]> {
  // Not awaited here: an engine that hangs takes its deadline once, not once for each group of checks.
  const observed = handling.runtime.observe().catch(() => null)
  const groups = await Promise.all([
    engine(handling),
    edge(handling),
    handling.machineChecks(),
    readable('settings', () => settings(handling, scope)),
    readable('apps', async () => examineApps(handling, await observed, scope)),
    readable('invariant', async () => invariants(handling, await observed, scope)),
  ])
  return groups.flatMap((group) => [...group])
}

/** What reads records; a database that cannot be read is a check that is red, so that the others are still shown. */
async function readable(area: string, checks: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await checks()
  } catch (error) {
    return [{ area, name: 'records', ok: false, sentence: `The records cannot be read: ${messageOf(error)}` }]
  }
}

async function engine(handling: Handling): Promise<Check[]> {
  try {
    const info = await handling.runtime.info()
    return info.checks.map((check) => ({ area: 'engine', ...check }))
  } catch (error) {
    return [{ area: 'engine', name: 'answers', ok: false, sentence: `${messageOf(error)} Start it ("systemctl start docker", or bin/up).` }]
  }
}

async function edge(handling: Handling): Promise<Check[]> {
  try {
    const info = await handling.edge.info()
    return [
      { area: 'edge', name: 'answers', ok: true, sentence: `${info.name} ${info.version}, generation ${info.generation ?? 'none'}` },
      ...info.checks.map((check) => ({ area: 'edge', ...check })),
    ]
  } catch (error) {
    return [{ area: 'edge', name: 'answers', ok: false, sentence: `${messageOf(error)} bin/up starts it.` }]
  }
}

/** A maximum for a project that does not exist is most likely a misspelt name: the project that was meant is without it. */
async function settings(handling: Handling, scope: Scope): Promise<Check[]> {
  const named = Object.keys(handling.settings.maxima.projects)
  if (scope.projectId !== null || named.length === 0) return []
  const known = new Set((await handling.store.read.projects.list(EVERYTHING)).map(({ name }) => name))
  const unknown = named.filter((name) => !known.has(name))
  const sentence =
    unknown.length === 0
      ? `${named.join(', ')} have maxima of their own`
      : `projectMaxima names ${unknown.join(', ')}, which is no project: correct the name in settings.json`
  return [{ area: 'settings', name: 'maxima', ok: unknown.length === 0, sentence }]
}

async function invariants(handling: Handling, observed: readonly ObservedInstance[] | null, scope: Scope): Promise<Check[]> {
  const { read } = handling.store
  const active = await read.deployments.list(EVERYTHING, { where: { status: ACTIVE_STATUSES } })
  const doubled = active.filter((one) => active.some((other) => other.id !== one.id && other.environmentId === one.environmentId))
  const records = await read.instances.list(EVERYTHING, { where: { removedAt: null } })
  const running = new Map(observed?.map((one) => [one.name, one]))
  const routed = records.filter((record) => record.traffic === 'in')
  const dead = routed.filter((record) => running.get(record.name)?.state !== 'running')
  const strangers = (observed ?? []).filter((one) => one.kind === 'instance' && !records.some((record) => record.name === one.name))
  const wanted = await read.edgeGeneration()
  const confirmed = handling.sight.routes.confirmed
  const broken = await handling.store.verifyEvents()
  const unseen = observed === null
  return [
    check('I2', doubled.length === 0, 'at most one active deployment per environment', `${named(doubled, scope, (one) => one.id)} are active at once`),
    check(
      'I3',
      !unseen && dead.length === 0,
      `every instance the edge names runs (${routed.length})`,
      unseen ? 'the engine does not answer' : `${named(dead, scope, (one) => one.name)} do not run; Lockgate is bringing them back`,
    ),
    check(
      'I6',
      !unseen && strangers.length === 0,
      'every container of ours has a record',
      unseen ? 'the engine does not answer' : `${named(strangers.map(unowned), scope, (one) => one.name)} have none and will be removed`,
    ),
    check('I7', broken === null, 'the log of events is whole', broken === null ? '' : eventFault(broken)),
    check(
      'edge',
      confirmed === wanted,
      `the edge serves the newest routing (generation ${confirmed})`,
      `generation ${wanted} is wanted, ${confirmed} is served: ${handling.sight.routes.trouble ?? 'it is on its way'}`,
    ),
    check(
      'I10',
      !unseen && (await drifted(handling, running)).length === 0,
      'every instance runs the image of its release',
      'some instances run another image than recorded; "lockgate restart" puts that right',
    ),
  ]
}

/** Names of what is in the scope, and how many others there are. */
function named<T extends { readonly projectId: string | null }>(all: readonly T[], { projectId }: Scope, nameOf: (one: T) => string): string {
  const seen = all.filter((one) => projectId === null || one.projectId === projectId)
  const others = all.length - seen.length
  return [...seen.map(nameOf), ...(others === 0 ? [] : [`${others} of other projects`])].join(', ')
}

/** A container without a record is of no project that is known. */
function unowned({ name }: ObservedInstance): { readonly name: string; readonly projectId: null } {
  return { name, projectId: null }
}

function eventFault(fault: EventFault): string {
  if (fault.kind === 'changed') return `event ${fault.seq} was changed, or one before it removed; restore the database from a copy you trust`
  return `events ${fault.after + 1} to ${fault.through} are missing: the database is an older copy, or somebody deleted them. Compare with the log lines "event anchor" of the server`
}

function check(name: string, ok: boolean, ...[fine, wrong]: readonly [string, string]): Check {
  return { area: 'invariant', name, ok, sentence: ok ? fine : wrong }
}

async function drifted(handling: Handling, running: ReadonlyMap<string, { readonly digest: string }>): Promise<string[]> {
  const { read } = handling.store
  const names: string[] = []
  for (const record of await read.instances.list(EVERYTHING, { where: { removedAt: null } })) {
    const seen = running.get(record.name)
    if (!seen) continue
    const release = await read.releases.get(EVERYTHING, record.releaseId)
    const artifact = await read.artifacts.get(EVERYTHING, release.artifactId)
    if (artifact.digest !== seen.digest) names.push(record.name)
  }
  return names
}
