import type { Builder, BuildResult } from '../../drivers/builder/types.ts'
import { messageOf, PlatformError } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { type Actor, EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import { type Manifest, runSpecOf } from '../app/manifest.ts'
import { rememberArtifact } from '../artifact/remember.ts'
import type { Context } from '../context.ts'
import { deployArtifact } from '../deployment/deploy.ts'
import type { LogBook } from '../log/book.ts'
import { type Build, type BuildMove, moveBuild } from './build.ts'
import { BuildFailure } from './build-failure.ts'
import { buildLimitsOf } from './limits.ts'
import { manifestOf, recordBuild } from './open.ts'
import type { Source } from './source.ts'

export interface BuildNeeds {
  readonly builder: Builder
  readonly source: Source
  readonly book: LogBook
  /** Bytes free where builds and images need them. */
  readonly freeBytes: () => Promise<number>
}

/** Below this much free disk no build starts. */
const LEAST_FREE_BYTES = 1024 ** 3

/** Builds one commit after another. A build that a killed server left running is ended and done again. */
export class BuildReconciler {
  readonly #context: Pick<Context, 'store' | 'clock' | 'log'>
  readonly #needs: BuildNeeds
  #current: { readonly id: string; readonly stop: AbortController } | null = null
  readonly #unsubscribe: () => void

  constructor(context: Pick<Context, 'store' | 'clock' | 'log'>, needs: BuildNeeds) {
    this.#context = context
    this.#needs = needs
    this.#unsubscribe = context.store.onCommit(({ events }) => {
      for (const event of events) if (event.kind === 'build.cancelled' && event.subject === this.#current?.id) this.#current?.stop.abort()
    })
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    this.#current?.stop.abort()
  }

  async pass(): Promise<PassResult> {
    const { read } = this.#context.store
    const left = await read.builds.list(EVERYTHING, { where: { status: 'running' } })
    for (const build of left) await this.#again(build)
    const next = (await read.builds.list(EVERYTHING, { where: { status: 'queued' }, orderBy: 'createdAt', limit: 1 }))[0]
    if (!next) return {}
    const free = await this.#needs.freeBytes()
    if (free < LEAST_FREE_BYTES) {
      await this.#end(next, { status: 'running', cause: 'requested', startedAt: this.#context.clock.now() })
      const running = await read.builds.get(EVERYTHING, next.id)
      await this.#end(running, {
        status: 'failed',
        cause: 'disk_low',
        message: `only ${Math.floor(free / 1024 / 1024)} MB of disk are free, and a build needs ${LEAST_FREE_BYTES / 1024 / 1024} MB; free some and push again`,
      })
      return { afterMs: 0 }
    }
    const running = await this.#move(next, { status: 'running', cause: 'requested', startedAt: this.#context.clock.now() })
    await this.#build(running)
    return { afterMs: 0 }
  }

  async #again(build: Build): Promise<void> {
    await this.#needs.builder.clean(build.id)
    await this.#move(build, { status: 'queued', cause: 'requested', message: 'the server was restarted; it is built again' })
  }

  async #build(build: Build): Promise<void> {
    const stop = new AbortController()
    this.#current = { id: build.id, stop }
    const log = (text: string): void =>
      void this.#needs.book.append(`build/${build.id}`, { at: this.#context.clock.now(), source: null, stream: 'stdout', text })
    try {
      const app = await this.#context.store.read.apps.get(EVERYTHING, build.appId)
      const manifest = await manifestOf(this.#needs.source, app, build.commitId)
      const result = await this.#run(build, { app, manifest, log, signal: stop.signal })
      await this.#needs.book.flush()
      await this.#deploy(build, { app, manifest, result })
    } catch (error) {
      await this.#failed(build, { error, stopped: stop.signal.aborted, log })
    } finally {
      this.#current = null
      await this.#needs.builder
        .clean(build.id)
        .catch((error: unknown) => this.#context.log.warn('a build could not be cleaned up', { build: build.id, error: messageOf(error) }))
    }
  }

  async #run(
    build: Build,
    how: { readonly app: App; readonly manifest: Manifest; readonly log: (text: string) => void; readonly signal: AbortSignal },
  ): Promise<BuildResult> {
    const { source, builder } = this.#needs
    const { app, manifest } = how
    return builder.build({
      buildId: build.id,
      projectId: build.projectId,
      appId: app.id,
      appName: app.name,
      commit: build.commitId,
      manifest,
      files: await source.files(app.name, build.commitId),
      readFile: (path) => source.read(app.name, build.commitId, path),
      tar: () => source.tar(app.name, build.commitId),
      trusted: true,
      secrets: {},
      step: () => undefined,
      limits: buildLimitsOf(manifest),
      log: how.log,
      signal: how.signal,
    })
  }

  /** The artifact, the release, the deployment and the end of the build: one transaction. */
  async #deploy(build: Build, made: { readonly app: App; readonly manifest: Manifest; readonly result: BuildResult }): Promise<void> {
    const { result, manifest } = made
    const now = this.#context.clock.now()
    const port = result.ports.length === 1 ? (result.ports[0] ?? null) : null
    await this.#context.store.transaction(async (tx) => {
      const artifact = await rememberArtifact(tx, {
        projectId: build.projectId,
        appId: build.appId,
        digest: result.digest,
        origin: `${build.ref.replace(/^refs\/(heads|tags)\//, '')}@${build.commitId.slice(0, 7)}`,
        commitId: build.commitId,
        buildId: build.id,
        runSpec: runSpecOf(manifest, { command: result.runSpec.command, port }),
        createdAt: now,
      })
      const environment = await tx.environments.get(EVERYTHING, build.environmentId)
      const { deployment } = await deployArtifact(tx, { actor: askedBy(build), environment, artifact, manifest, buildId: build.id, now })
      const current = await tx.builds.get(EVERYTHING, build.id)
      const saved = await tx.builds.save(
        current,
        moveBuild(current, {
          status: 'succeeded',
          cause: 'done',
          message: result.chosen,
          artifactId: artifact.id,
          deploymentId: deployment.id,
          finishedAt: now,
        }),
      )
      await recordBuild(tx, saved)
    })
  }

  async #failed(build: Build, how: { readonly error: unknown; readonly stopped: boolean; readonly log: (text: string) => void }): Promise<void> {
    const current = await this.#context.store.read.builds.get(EVERYTHING, build.id)
    // Cancelled: its end is written already. Stopped with the server: the next one takes it up again.
    if (current.status !== 'running' || how.stopped) return
    const { error } = how
    const expected = error instanceof PlatformError
    if (!expected) this.#context.log.error('a build failed unexpectedly', { build: build.id, error })
    const cause = error instanceof BuildFailure ? error.buildCause : expected && !error.retryable ? 'not_understood' : 'internal'
    for (const line of messageOf(error).split('\n')) how.log(line)
    await this.#needs.book.flush()
    await this.#end(current, { status: 'failed', cause, message: messageOf(error) })
  }

  #end(build: Build, move: BuildMove): Promise<Build> {
    return this.#move(build, { ...move, ...(move.status === 'failed' ? { finishedAt: this.#context.clock.now() } : {}) })
  }

  #move(build: Build, move: BuildMove): Promise<Build> {
    return this.#context.store.transaction(async (tx) => {
      const saved = await tx.builds.save(build, moveBuild(build, move))
      await recordBuild(tx, saved)
      return saved
    })
  }
}

/** A build was asked for by somebody with a name; what it deploys is theirs. */
function askedBy(build: Build): Actor {
  return build.actor === PLATFORM.name ? PLATFORM : { kind: 'token', name: build.actor, role: 'developer', projectId: build.projectId }
}
