import { ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { Actor } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Manifest } from '../app/manifest.ts'
import { parseManifest } from '../app/parse-manifest.ts'
import type { Context } from '../context.ts'
import { deployArtifact } from '../deployment/deploy.ts'
import type { Deployment } from '../deployment/deployment.ts'
import type { Environment } from '../environment/environment.ts'
import { type Build, moveBuild } from './build.ts'
import type { Source } from './source.ts'

export interface OpenBuild {
  readonly actor: Actor
  readonly app: App
  readonly environment: Environment
  /** Full ref. */
  readonly ref: string
  readonly commitId: string
  /** Build although there is an artifact of this commit. */
  readonly rebuild: boolean
  /** What else is written in the same transaction. */
  readonly also?: (tx: Tx, opened: Opened) => Promise<void>
}

/** Either a build that will deploy, or, when the commit was built before, the deployment at once. */
export type Opened = { readonly build: Build; readonly deployment: null } | { readonly build: null; readonly deployment: Deployment }

/** Builds and deploys a commit; a commit that was built before is deployed again without a build. */
export async function openBuild(context: Pick<Context, 'store' | 'clock'>, source: Source, input: OpenBuild): Promise<Opened> {
  const { app, environment, actor } = input
  const built = input.rebuild ? null : await builtBefore(context, input)
  const manifest = built ? await manifestOf(source, app, input.commitId) : null
  const now = context.clock.now()
  return context.store.transaction(async (tx): Promise<Opened> => {
    if (built && manifest) {
      const { deployment } = await deployArtifact(tx, { actor, environment, artifact: built, manifest, buildId: null, now })
      const opened: Opened = { build: null, deployment }
      await input.also?.(tx, opened)
      return opened
    }
    const current = await tx.environments.get({ projectId: app.projectId }, environment.id)
    if (current.removedAt) throw new ConflictError('environment.removed', `${current.name} is being removed.`)
    await supersedeQueued(tx, input, now)
    const build = await tx.builds.insert({
      id: newId('b'),
      projectId: app.projectId,
      appId: app.id,
      environmentId: environment.id,
      commitId: input.commitId,
      ref: input.ref,
      status: 'queued',
      cause: 'requested',
      message: '',
      artifactId: null,
      deploymentId: null,
      actor: actor.name,
      createdAt: now,
      startedAt: null,
      finishedAt: null,
      version: 1,
    })
    await recordBuild(tx, build)
    const opened: Opened = { build, deployment: null }
    await input.also?.(tx, opened)
    return opened
  })
}

async function builtBefore(context: Pick<Context, 'store'>, input: OpenBuild) {
  const artifacts = await context.store.read.artifacts.list(
    { projectId: input.app.projectId },
    { where: { appId: input.app.id, commitId: input.commitId, removedAt: null }, orderBy: 'createdAt', descending: true, limit: 1 },
  )
  return artifacts[0] ?? null
}

/** The manifest of a commit. Throws InvalidError `manifest.invalid`. */
export async function manifestOf(source: Source, app: App, commitId: string): Promise<Manifest> {
  const text = await source.read(app.name, commitId, 'lockgate.yaml')
  return parseManifest(text ?? '')
}

/** A newer commit takes the place of one that still waits for the same environment. */
async function supersedeQueued(tx: Tx, input: OpenBuild, now: number): Promise<void> {
  for (const queued of await tx.builds.list({ projectId: input.app.projectId }, { where: { environmentId: input.environment.id, status: 'queued' } })) {
    const saved = await tx.builds.save(
      queued,
      moveBuild(queued, { status: 'superseded', cause: 'newer_commit', message: `${input.commitId.slice(0, 7)} takes its place`, finishedAt: now }),
    )
    await recordBuild(tx, saved)
  }
}

/** The fact that a build is in a (new) status. */
export async function recordBuild(tx: Tx, build: Build): Promise<void> {
  await tx.record({
    kind: `build.${build.status}`,
    actor: build.actor,
    projectId: build.projectId,
    appId: build.appId,
    environmentId: build.environmentId,
    subject: build.id,
    data: { commit: build.commitId, cause: build.cause, ...(build.message === '' ? {} : { message: build.message }) },
  })
}
