import { ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import { type Actor, EVERYTHING } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Manifest } from '../app/manifest.ts'
import { parseManifest } from '../app/parse-manifest.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { type Engine, mayBePresent } from '../artifact/present.ts'
import type { Context } from '../context.ts'
import { deployArtifact } from '../deployment/deploy.ts'
import type { Deployment } from '../deployment/deployment.ts'
import type { Environment } from '../environment/environment.ts'
import { maximaOf } from '../project/maxima.ts'
import type { Build } from './build.ts'
import { move, recordBuild } from './record.ts'
import { builtBefore } from './reuse.ts'
import { buildValuesOf } from './secrets.ts'
import type { Source } from './source.ts'

export interface OpenBuild {
  readonly actor: Actor
  readonly app: App
  readonly environment: Environment
  /** Full ref. */
  readonly ref: string
  readonly commitId: string
  /** Build although there is an artifact of this commit, or of the same files. */
  readonly rebuild: boolean
  /** What else is written in the same transaction. */
  readonly also?: (tx: Tx, opened: Opened) => Promise<void>
}

/** Either a build that will deploy, or, when the commit was built before, the deployment at once. */
export type Opened = { readonly build: Build; readonly deployment: null } | { readonly build: null; readonly deployment: Deployment }

type Needs = Pick<Context, 'store' | 'clock' | 'sealer' | 'settings'> & { readonly runtime: Engine }

/** Builds and deploys a commit; a commit that was built before is deployed again without a build. */
export async function openBuild(context: Needs, source: Source, input: OpenBuild): Promise<Opened> {
  const { environment, actor } = input
  const { built, manifest } = input.rebuild ? NOTHING : await earlier(context, source, input)
  const now = context.clock.now()
  return context.store.transaction(async (tx): Promise<Opened> => {
    // Retention may have taken it meanwhile.
    if (built && manifest && (await tx.artifacts.get(EVERYTHING, built.id)).removedAt === null) {
      const { deployment } = await deployArtifact(tx, { actor, environment, artifact: built, manifest, buildId: null, now })
      const opened: Opened = { build: null, deployment }
      await input.also?.(tx, opened)
      return opened
    }
    const build = await queueBuild(tx, { ...input, trust: environment.trust, purpose: 'deploy', artifactId: null, now })
    const opened: Opened = { build, deployment: null }
    await input.also?.(tx, opened)
    return opened
  })
}

interface Earlier {
  readonly built: Artifact | null
  readonly manifest: Manifest | null
}
const NOTHING: Earlier = { built: null, manifest: null }

/** The artifact of the same commit with the same values, and what its lockgate.yaml says. */
async function earlier(context: Needs, source: Source, input: OpenBuild): Promise<Earlier> {
  const { app, environment, commitId } = input
  const { trust } = environment
  const { read } = context.store
  if ((await read.artifacts.list(EVERYTHING, { where: { appId: app.id, commitId, removedAt: null }, limit: 1 })).length === 0) return NOTHING
  const manifest = await manifestOf(context, source, { app, commitId })
  const values = trust !== 'untrusted' ? await buildValuesOf(context, { environmentId: environment.id }, manifest) : {}
  const built = await builtBefore(read, source, { app, commitId, trust, values })
  return { manifest, built: built && (await mayBePresent(context, built)) ? built : null }
}

type Queued = Pick<Build, 'ref' | 'commitId' | 'trust' | 'purpose' | 'artifactId'> &
  Pick<OpenBuild, 'actor' | 'app' | 'environment' | 'rebuild'> & { readonly now: number }

/** Puts a build into the queue; one that still waits for the same environment gives way. Throws ConflictError `environment.removed`. */
export async function queueBuild(tx: Tx, input: Queued): Promise<Build> {
  const { app, environment, actor, now } = input
  const current = await tx.environments.get({ projectId: app.projectId }, environment.id)
  if (current.removedAt) throw new ConflictError('environment.removed', `${current.name} is being removed.`)
  await supersedeQueued(tx, input)
  const build = await tx.builds.insert({
    id: newId('b'),
    projectId: app.projectId,
    appId: app.id,
    environmentId: environment.id,
    commitId: input.commitId,
    ref: input.ref,
    purpose: input.purpose,
    status: 'queued',
    cause: 'requested',
    message: '',
    treeId: null,
    recipe: null,
    trust: input.trust,
    again: input.rebuild,
    tests: null,
    reused: null,
    artifactId: input.artifactId,
    deploymentId: null,
    actor,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    version: 1,
  })
  await recordBuild(tx, build)
  return build
}

/** The manifest of a commit. Throws InvalidError `manifest.invalid`. */
async function manifestOf(context: Needs, source: Source, { app, commitId }: Pick<OpenBuild, 'app' | 'commitId'>): Promise<Manifest> {
  const text = await source.read({ app: app.name, commitId, root: app.root }, 'lockgate.yaml')
  return parseManifest(text ?? '', await maximaOf(context, app.projectId))
}

/** A newer commit takes the place of one that still waits for the same environment. */
async function supersedeQueued(tx: Tx, input: Queued): Promise<void> {
  const waiting = await tx.builds.list({ projectId: input.app.projectId }, { where: { environmentId: input.environment.id, status: 'queued' } })
  for (const queued of waiting)
    await move(tx, queued, {
      status: 'superseded',
      cause: 'newer_commit',
      message: `${input.commitId.slice(0, 7)} takes its place`,
      finishedAt: input.now,
    })
}
