// Records as the API shows them.

import type { z } from 'zod'
import { EVERYTHING, type Token as TokenRecord } from '../core/actor/actor.ts'
import type { App as AppRecord } from '../core/app/app.ts'
import type { Artifact } from '../core/artifact/artifact.ts'
import type { Build as BuildRecord } from '../core/build/build.ts'
import type { BuildStepRecord } from '../core/build/build-step.ts'
import type { Deployment as DeploymentRecord } from '../core/deployment/deployment.ts'
import type { StepRecord } from '../core/deployment/step.ts'
import type { Environment as EnvironmentRecord } from '../core/environment/environment.ts'
import type { ResolvedStrategy } from '../core/environment/strategy.ts'
import type { OneOff as OneOffRecord } from '../core/one-off/one-off.ts'
import { type Release as ReleaseRecord, releaseName } from '../core/release/release.ts'
import type { ReadStore } from '../store/types.ts'
import { containedIn } from './contained.ts'
import type * as resource from './contract/resources.ts'

type Shown<S extends z.ZodType> = z.input<S>

/** A token without its secret, which nobody keeps. */
export async function showToken(read: ReadStore, token: TokenRecord): Promise<Shown<typeof resource.Token>> {
  const project = token.projectId === null ? null : await read.projects.find(EVERYTHING, token.projectId)
  return {
    id: token.id,
    name: token.name,
    role: token.role,
    project: project?.name ?? null,
    expiresAt: token.expiresAt,
    revokedAt: token.revokedAt,
    createdAt: token.createdAt,
    lastUsedAt: token.lastUsedAt,
  }
}

interface Named {
  readonly app: AppRecord
  readonly environment: EnvironmentRecord
}

/** App and environment of something that belongs to an environment. */
export async function namesOf(read: ReadStore, environmentId: string): Promise<Named> {
  const environment = await read.environments.get(EVERYTHING, environmentId)
  return { environment, app: await read.apps.get(EVERYTHING, environment.appId) }
}

/** A deployment with the names a person knows its app, environment and release by. */
export async function showDeployment(read: ReadStore, deployment: DeploymentRecord): Promise<Shown<typeof resource.Deployment>> {
  const { app, environment } = await namesOf(read, deployment.environmentId)
  const release = await releaseOf(read, deployment.wish.releaseId)
  return {
    id: deployment.id,
    app: app.name,
    environment: environment.name,
    number: deployment.number,
    verb: deployment.verb,
    status: deployment.status,
    cause: deployment.cause,
    message: deployment.message,
    blocked: deployment.blocked,
    containedIn: await containedIn(read, deployment),
    strategy: showStrategy(deployment.strategy),
    wish: deployment.wish,
    release: release && releaseName(release.release),
    origin: release?.artifact.origin ?? null,
    fingerprint: deployment.fingerprint,
    report: deployment.report && { ...deployment.report, logLines: [...deployment.report.logLines] },
    buildId: deployment.buildId,
    actor: deployment.actor,
    createdAt: deployment.createdAt,
    startedAt: deployment.startedAt,
    finishedAt: deployment.finishedAt,
  }
}

/** A strategy in the API's own lists. */
export function showStrategy(strategy: ResolvedStrategy): Shown<typeof resource.Strategy> {
  return strategy.kind === 'canary' ? { ...strategy, steps: [...strategy.steps] } : strategy
}

async function releaseOf(read: ReadStore, id: string | null): Promise<{ release: ReleaseRecord; artifact: Artifact } | null> {
  if (id === null) return null
  const release = await read.releases.get(EVERYTHING, id)
  return { release, artifact: await read.artifacts.get(EVERYTHING, release.artifactId) }
}

/** `now`: wall milliseconds, for the seconds of a step that is not finished. */
export function showStep(step: StepRecord, now: number): Shown<typeof resource.Step> {
  const seconds = Math.max(0, ((step.finishedAt ?? now) - step.startedAt) / 1000)
  return {
    id: step.id,
    seq: step.seq,
    kind: step.kind,
    instance: step.instance,
    status: step.status,
    waiting: step.waiting,
    seconds: Math.round(seconds * 100) / 100,
    numbers: step.numbers,
  }
}

/** A build with the names of its app and environment. */
export async function showBuild(read: ReadStore, build: BuildRecord): Promise<Shown<typeof resource.Build>> {
  const { app, environment } = await namesOf(read, build.environmentId)
  return {
    id: build.id,
    app: app.name,
    environment: environment.name,
    commit: build.commitId,
    ref: build.ref,
    status: build.status,
    cause: build.cause,
    message: build.message,
    purpose: build.purpose,
    trust: build.trust,
    reused: build.reused,
    tests: build.tests && { ...build.tests, failures: [...build.tests.failures] },
    ahead: build.status === 'queued' ? await buildsAhead(read, build) : 0,
    steps: (await read.buildSteps.list(EVERYTHING, { where: { buildId: build.id }, orderBy: 'number' })).map(showBuildStep),
    deploymentId: build.deploymentId,
    actor: build.actor,
    createdAt: build.createdAt,
    startedAt: build.startedAt,
    finishedAt: build.finishedAt,
  }
}

function showBuildStep({ number, name, state, ms, cached }: BuildStepRecord): Shown<typeof resource.BuildStep> {
  return { number, name, state, seconds: Math.round(ms / 10) / 100, cached }
}

/** How many stand in front of it if nothing more urgent comes: those that run, and those that were asked for earlier. */
async function buildsAhead(read: ReadStore, build: BuildRecord): Promise<number> {
  const open = await read.builds.list(EVERYTHING, { where: { status: ['running', 'queued'] } })
  return open.filter((other) => other.id !== build.id && (other.status === 'running' || other.createdAt <= build.createdAt)).length
}

/** The newest releases of an environment, newest first, each with what it was made of. */
export async function showReleases(read: ReadStore, environment: EnvironmentRecord, limit: number): Promise<Shown<typeof resource.Release>[]> {
  const releases = await read.releases.list(EVERYTHING, { where: { environmentId: environment.id }, orderBy: 'number', descending: true, limit })
  const pins = await read.pins.list(EVERYTHING, { where: { environmentId: environment.id } })
  return Promise.all(
    releases.map(async (release) => {
      const artifact = await read.artifacts.get(EVERYTHING, release.artifactId)
      const revision = await read.configRevisions.get(EVERYTHING, release.configRevisionId)
      return {
        id: release.id,
        name: releaseName(release),
        number: release.number,
        origin: artifact.origin,
        digest: artifact.digest,
        commit: artifact.commitId,
        configRevision: revision.number,
        actor: release.actor,
        createdAt: release.createdAt,
        liveAt: release.liveAt,
        provenAt: release.provenAt,
        fault: release.fault,
        current: environment.wish.releaseId === release.id,
        pinned: pins.some((pin) => pin.artifactId === release.artifactId && pin.configRevisionId === release.configRevisionId),
        imageRemoved: artifact.removedAt !== null,
      }
    }),
  )
}

/** A one-off command and how it ended. */
export function showOneOff(oneOff: OneOffRecord): Shown<typeof resource.OneOff> {
  return {
    id: oneOff.id,
    command: [...oneOff.command],
    status: oneOff.status,
    exitCode: oneOff.exitCode,
    message: oneOff.message,
    actor: oneOff.actor,
    createdAt: oneOff.createdAt,
    finishedAt: oneOff.finishedAt,
  }
}
