import type { Builder, BuildRequest, BuildResult } from '../../drivers/builder/types.ts'
import { messageOf, PlatformError } from '../../lib/errors.ts'
import { type Actor, EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import { type Manifest, runSpecOf } from '../app/manifest.ts'
import { parseManifest } from '../app/parse-manifest.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { type Engine, isPresent } from '../artifact/present.ts'
import { rememberArtifact } from '../artifact/remember.ts'
import type { Context } from '../context.ts'
import { deployArtifact } from '../deployment/deploy.ts'
import type { LogBook } from '../log/book.ts'
import { maximaOf } from '../project/maxima.ts'
import type { Build, BuildCause, TestFile, TestSummary } from './build.ts'
import { BuildFailure } from './build-failure.ts'
import { summarizeTests } from './junit.ts'
import { buildLimitsOf } from './limits.ts'
import { BuildLog } from './log.ts'
import { move } from './record.ts'
import { sameBefore } from './reuse.ts'
import { buildSecretsOf, hashedValues } from './secrets.ts'
import type { Source, Tree } from './source.ts'
import { StepBook } from './step-book.ts'

export interface WorkNeeds {
  readonly builder: Builder
  readonly source: Source
  readonly book: LogBook
  /** Puts the image of a build into the registry of artifacts, and gives NAME@sha256:…; null: there is none. */
  readonly publish: ((image: { readonly digest: string; readonly app: string; readonly buildId: string }) => Promise<string>) | null
}

/** What builds take of the context; of the engine only a look at images. */
export type BuildContext = Pick<Context, 'store' | 'clock' | 'log' | 'sealer' | 'settings'> & { readonly runtime: Engine }

/** What is known once the sources were opened. */
interface Opened {
  readonly app: App
  readonly tree: Tree
  readonly manifest: Manifest
  readonly request: BuildRequest
  readonly recipe: string | null
}

/** What a build came to: made now, or by an earlier build of the same. */
interface Made {
  readonly result: BuildResult | null
  readonly reused: Artifact | null
  /** In the registry of artifacts. */
  readonly reference: string | null
}

/** One build, from its sources to the deployment of its artifact or to the sentence that says why not. */
export class BuildWork {
  readonly #context: BuildContext
  readonly #needs: WorkNeeds
  readonly #build: Build
  readonly #signal: AbortSignal
  readonly #steps: StepBook
  #log: BuildLog

  constructor(context: BuildContext, needs: WorkNeeds, one: { readonly build: Build; readonly signal: AbortSignal }) {
    this.#context = context
    this.#needs = needs
    this.#build = one.build
    this.#signal = one.signal
    this.#steps = new StepBook(context, one.build)
    this.#log = new BuildLog(needs.book, { key: `build/${one.build.id}`, clock: context.clock, secrets: [] })
  }

  /** Resolves when its end is written and nothing of it is left. */
  async run(): Promise<void> {
    const build = this.#build
    try {
      await this.#steps.clear()
      const opened = await this.#open()
      if (build.purpose === 'deploy') await this.#finish(opened, await this.#make(opened))
      else await this.#promoted(opened, await this.#verify(opened))
    } catch (error) {
      await this.#failed(error)
    } finally {
      await this.#letGo()
    }
  }

  /** What it said stays, also when it was cancelled; nothing else of it does. */
  async #letGo(): Promise<void> {
    const { id } = this.#build
    const warn = (error: unknown): void => this.#context.log.warn('a build could not be cleaned up', { build: id, error: messageOf(error) })
    await this.#settleLog().catch(warn)
    await this.#needs.builder.clean(id).catch(warn)
  }

  async #open(): Promise<Opened> {
    const { source, builder } = this.#needs
    const build = this.#build
    const app = await this.#context.store.read.apps.get(EVERYTHING, build.appId)
    const place = { app: app.name, commitId: build.commitId, root: app.root }
    const tree = await source.open(place)
    const manifest = parseManifest((await tree.read('lockgate.yaml')) ?? '', await maximaOf(this.#context, app.projectId))
    const secrets = build.trust !== 'untrusted' ? await buildSecretsOf(this.#context, build, manifest) : {}
    this.#log = new BuildLog(this.#needs.book, { key: `build/${build.id}`, clock: this.#context.clock, secrets: Object.values(secrets) })
    const request: BuildRequest = {
      buildId: build.id,
      projectId: build.projectId,
      appId: app.id,
      appName: app.name,
      commit: build.commitId,
      manifest,
      files: tree.files,
      readFile: (path) => tree.read(path),
      tar: () => tree.tar(),
      trust: build.trust,
      secrets,
      values: hashedValues(this.#context, secrets),
      limits: buildLimitsOf(manifest),
      log: (line) => this.#log.line(line),
      step: (step) => this.#steps.note(step),
      signal: this.#signal,
    }
    const recipe = await builder.recipe(request)
    await this.#context.store.transaction((tx) => tx.builds.set(build.id, { treeId: tree.id, recipe }))
    return { app, tree, manifest, request, recipe }
  }

  /** The artifact of an earlier build of the same; a build somebody asked for anew, or to compare, is done. */
  async #sameBefore({ app, tree, recipe }: Opened): Promise<Artifact | null> {
    const { again, trust } = this.#build
    if (recipe === null || again) return null
    const found = await sameBefore(this.#context.store.read, { app, treeId: tree.id, recipe, trust })
    const same = found && (await isPresent(this.#context, found)) ? found : null
    if (same) this.#log.line(`The same files were built before in the same way, by ${same.buildId}: its artifact is used ("--rebuild" builds them again)`)
    return same
  }

  async #make(opened: Opened): Promise<Made> {
    const reused = await this.#sameBefore(opened)
    const result = reused ? null : await this.#needs.builder.build(opened.request)
    const reference = reused ? reused.reference : await this.#publish(opened, result?.digest ?? '')
    await this.#settleLog()
    return { result, reused, reference }
  }

  /** A registry that is away is said, and stops nothing: what runs here runs from the engine. */
  async #publish({ app }: Opened, digest: string): Promise<string | null> {
    const { publish } = this.#needs
    if (publish === null) return null
    try {
      const reference = await publish({ digest, app: app.name, buildId: this.#build.id })
      this.#log.line(`Pushed to the registry of artifacts: ${reference}`)
      return reference
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error
      this.#log.line(`Not pushed to the registry of artifacts, and in the engine only: ${messageOf(error)}`)
      this.#context.log.warn('an artifact was not pushed', { build: this.#build.id, error: messageOf(error) })
      return null
    }
  }

  /** Before a promotion: gives the artifact when what was asked for agrees. */
  async #verify({ request, manifest }: Opened): Promise<Artifact> {
    const { builder } = this.#needs
    const artifact = await this.#context.store.read.artifacts.get(EVERYTHING, this.#build.artifactId ?? '')
    if (this.#build.purpose === 'test') {
      const command = manifest.verify
      if (!command) throw new BuildFailure('not_understood', 'The promotion wants tests, and lockgate.yaml names none: set verify, e.g. verify: make check')
      await builder.test(request, { digest: artifact.digest, command })
    } else {
      const { content } = await builder.build(request)
      if (content !== artifact.content)
        throw new BuildFailure(
          'differs',
          `${artifact.origin} was built again, and other files came out: the build takes something from outside its repository (times, random names, versions that are not locked)`,
        )
    }
    await this.#settleLog()
    return artifact
  }

  /** The verified artifact goes where it was to be promoted to. */
  async #promoted(opened: Opened, artifact: Artifact): Promise<void> {
    const build = this.#build
    const now = this.#context.clock.now()
    await this.#context.store.transaction(async (tx) => {
      const environment = await tx.environments.get(EVERYTHING, build.environmentId)
      const { deployment } = await deployArtifact(tx, { actor: askedBy(build), environment, artifact, manifest: null, buildId: build.id, promotes: true, now })
      const message =
        build.purpose === 'test' ? `${artifact.origin} passed: ${opened.manifest.verify?.join(' ')}` : `${artifact.origin} came out the same again`
      const current = await tx.builds.get(EVERYTHING, build.id)
      await move(tx, current, { status: 'succeeded', cause: 'done', message, deploymentId: deployment.id, finishedAt: now })
    })
  }

  /** The artifact, the release, the deployment and the end of the build: one transaction. */
  async #finish(opened: Opened, made: Made): Promise<void> {
    const build = this.#build
    const now = this.#context.clock.now()
    await this.#context.store.transaction(async (tx) => {
      const artifact = await rememberArtifact(tx, this.#artifactOf(opened, made, now))
      const environment = await tx.environments.get(EVERYTHING, build.environmentId)
      const { deployment } = await deployArtifact(tx, { actor: askedBy(build), environment, artifact, manifest: opened.manifest, buildId: build.id, now })
      await move(tx, await tx.builds.get(EVERYTHING, build.id), {
        status: 'succeeded',
        cause: 'done',
        message: made.result?.chosen ?? `the same as ${made.reused?.buildId}`,
        artifactId: artifact.id,
        deploymentId: deployment.id,
        reused: made.reused?.buildId ?? null,
        tests: this.#testsOf(made.result?.tests ?? []),
        finishedAt: now,
      })
    })
  }

  #artifactOf({ manifest, tree, recipe, request }: Opened, { result, reused, reference }: Made, now: number): Omit<Artifact, 'id' | 'removedAt'> {
    const build = this.#build
    const origin = `${build.ref.replace(/^refs\/(heads|tags)\//, '').replace(/^refs\/lockgate\//, '')}@${build.commitId.slice(0, 7)}`
    const whose = {
      projectId: build.projectId,
      appId: build.appId,
      origin,
      commitId: build.commitId,
      treeId: tree.id,
      recipe,
      buildValues: request.values,
      trust: build.trust,
      createdAt: now,
    }
    // The tree is the same, so is its lockgate.yaml: how it runs was decided when it was made.
    if (reused) return { ...whose, buildId: reused.buildId, digest: reused.digest, content: reused.content, reference, runSpec: reused.runSpec }
    if (!result) throw new Error('a build was neither made nor reused')
    const port = result.ports.length === 1 ? (result.ports[0] ?? null) : null
    const runSpec = runSpecOf(manifest, { command: result.runSpec.command, port, releaseCommand: result.releaseCommand })
    return { ...whose, buildId: build.id, digest: result.digest, content: result.content, reference, runSpec }
  }

  async #failed(error: unknown): Promise<void> {
    const build = this.#build
    const current = await this.#context.store.read.builds.get(EVERYTHING, build.id)
    // Cancelled: its end is written already. Stopped with the server: the next one takes it up again.
    if (current.status !== 'running' || this.#signal.aborted) return
    if (!(error instanceof PlatformError)) this.#context.log.error('a build failed unexpectedly', { build: build.id, error })
    const message = this.#log.redact(messageOf(error))
    for (const line of message.split('\n')) this.#log.line(line)
    await this.#settleLog()
    const finishedAt = this.#context.clock.now()
    const tests = this.#testsOf(error instanceof BuildFailure ? error.tests : [])
    await this.#context.store.transaction(async (tx) => {
      const latest = await tx.builds.get(EVERYTHING, build.id)
      // Cancelled while its last lines were written.
      if (latest.status === 'running') await move(tx, latest, { status: 'failed', cause: causeOf(error), message, tests, finishedAt })
    })
  }

  #testsOf(files: readonly TestFile[]): TestSummary | null {
    const redact = (text: string): string => this.#log.redact(text)
    const tests = summarizeTests(files)
    return tests && { ...tests, failures: tests.failures.map(({ name, message }) => ({ name: redact(name), message: redact(message) })) }
  }

  async #settleLog(): Promise<void> {
    this.#log.end()
    await this.#steps.settle()
    await this.#needs.book.flush()
  }
}

function causeOf(error: unknown): BuildCause {
  if (error instanceof BuildFailure) return error.buildCause
  return error instanceof PlatformError && !error.retryable ? 'not_understood' : 'internal'
}

/** A build was asked for by somebody with a name; what it deploys is theirs. */
function askedBy(build: Build): Actor {
  return build.actor.kind === 'platform' ? PLATFORM : { ...build.actor, role: 'developer', projectId: build.projectId }
}
