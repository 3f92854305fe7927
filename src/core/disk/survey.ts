import type { Stored } from '../../drivers/runtime/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Artifact } from '../artifact/artifact.ts'
import type { Context } from '../context.ts'
import type { DiskItem } from './disk.ts'

/** Not younger than this: what was just made may be about to be recorded. */
const SETTLED_MS = 10 * 60_000
/** A cache of an app that was not built for this long is let go first. */
const IDLE_MS = 7 * 86_400_000

/** What lies beside the engine, in bytes: folders of the data directory. */
export interface Folders {
  readonly repositories: ReadonlyMap<string, number>
  readonly logs: number
  readonly database: number
}

export interface SurveyNeeds {
  readonly folders: () => Promise<Folders>
  /** The volume's app, by its name; null: of no app. */
  readonly appOfVolume: (name: string) => string | null
}

/** Everything of this installation that takes disk, the largest first, and what of it may go. */
export async function surveyDisk(context: Pick<Context, 'store' | 'runtime' | 'clock'>, needs: SurveyNeeds): Promise<DiskItem[]> {
  const { read } = context.store
  const now = context.clock.now()
  const stored = await context.runtime.stored()
  const artifacts = await read.artifacts.list(EVERYTHING, { where: { removedAt: null } })
  const live = await read.apps.list(EVERYTHING, { where: { goneAt: null } })
  const apps = new Map(live.map((app) => [app.id, app]))
  const projects = new Map(live.map((app): [string, string] => [app.name, app.projectId]))
  const lastBuilt = new Map<string, number>()
  for (const build of await read.builds.list(EVERYTHING, { orderBy: 'createdAt', descending: true, limit: 1_000 }))
    if (!lastBuilt.has(build.appId)) lastBuilt.set(build.appId, build.createdAt)
  const folders = await needs.folders()
  const items = [
    ...stored.map((one) => describe(one, { artifacts, apps, lastBuilt, now, newest: newestBases(stored), appOfVolume: needs.appOfVolume })),
    ...[...folders.repositories].map(
      ([app, bytes]): DiskItem => ({
        ...ofProject(projects.get(app)),
        kind: 'repository',
        name: app,
        bytes,
        mayGo: null,
        id: null,
      }),
    ),
    { kind: 'logs' as const, name: 'logs of builds and instances', bytes: folders.logs, mayGo: null, id: null, ...SHARED },
    { kind: 'database' as const, name: 'database and its copies', bytes: folders.database, mayGo: null, id: null, ...SHARED },
  ]
  return items.toSorted((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))
}

interface Known {
  readonly artifacts: readonly Artifact[]
  readonly apps: ReadonlyMap<string, App>
  readonly lastBuilt: ReadonlyMap<string, number>
  readonly newest: ReadonlySet<string>
  readonly now: number
  readonly appOfVolume: (name: string) => string | null
}

const SHARED = { projectId: null, isShared: true }

function ofProject(projectId: string | undefined): Pick<DiskItem, 'projectId' | 'isShared'> {
  return { projectId: projectId ?? null, isShared: false }
}

function describe(one: Stored, known: Known): DiskItem {
  const { bytes, id } = one
  if (one.kind === 'base') {
    const mayGo = known.newest.has(one.name) || one.isUsed ? null : 'a newer one has taken its place'
    return { kind: 'base', name: one.name, bytes, mayGo, id: one.name, ...SHARED }
  }
  if (one.kind === 'cache') {
    const appId = known.appOfVolume(one.name)
    if (appId === null) return { kind: 'cache', name: 'images that Dockerfiles begin from', bytes, mayGo: null, id, ...SHARED }
    const app = known.apps.get(appId) ?? null
    const idle = known.now - (known.lastBuilt.get(appId) ?? 0) > IDLE_MS
    const mayGo = app === null ? 'of no app' : idle ? 'not built for a week; the next build is slower' : null
    return { kind: 'cache', name: `builds of ${app?.name ?? one.name}`, bytes, mayGo, id, ...ofProject(app?.projectId) }
  }
  const artifact = known.artifacts.find((other) => other.digest === id)
  if (artifact) {
    const name = `${known.apps.get(artifact.appId)?.name ?? '?'}: ${artifact.origin}`
    return { kind: 'artifact', name, bytes, mayGo: null, id, ...ofProject(artifact.projectId) }
  }
  const mayGo = one.isUsed || known.now - one.createdAt < SETTLED_MS ? null : 'no artifact is recorded for it'
  return { kind: 'leftover', name: one.name, bytes, mayGo, id, ...ofProject(undefined) }
}

/** Of each base in each version the one that was made last. */
function newestBases(stored: readonly Stored[]): ReadonlySet<string> {
  const newest = new Map<string, Stored>()
  for (const one of stored) {
    if (one.kind !== 'base') continue
    const family = one.name.replace(/[0-9a-f]{16}$/, '')
    if ((newest.get(family)?.createdAt ?? -1) <= one.createdAt) newest.set(family, one)
  }
  return new Set([...newest.values()].map((one) => one.name))
}
