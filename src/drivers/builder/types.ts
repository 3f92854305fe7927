import type { Manifest } from '../../core/app/manifest.ts'
import type { RunSpec } from '../../core/artifact/artifact.ts'
import type { TestFile } from '../../core/build/build.ts'
import type { BuildStep } from '../../core/build/build-step.ts'
import type { Trust } from '../../core/trust/trust.ts'

/** What to build: a tar stream of the checkout (regular files, folders, links inside it), and who for. */
export interface BuildRequest {
  readonly buildId: string
  readonly projectId: string
  readonly appId: string
  readonly appName: string
  readonly commit: string
  readonly manifest: Manifest
  /** Paths of the checkout's files, relative, sorted. */
  readonly files: readonly string[]
  /** Text of one small file of the checkout (at most 1 MiB), or null. */
  readFile(path: string): Promise<string | null>
  /** A fresh tar stream of the checkout at each call. */
  tar(): NodeJS.ReadableStream
  readonly limits: BuildLimits
  /** Each level has a cache of its own; an untrusted build gets no secret, no private image and no private network. */
  readonly trust: Trust
  /** Variables of every step, and for `RUN --mount=type=secret,id=…` of a Dockerfile; never in an image, a log, or an argument. Empty for an untrusted build. */
  readonly secrets: Readonly<Record<string, string>>
  /** For each name in `secrets` a keyed hash of its value: two builds with the same hashes had the same values. */
  readonly values: Readonly<Record<string, string>>
  /** One line of the log, without its line end. */
  readonly log: (line: string) => void
  /** Told when a step begins and when it ends. */
  readonly step: (step: BuildStep) => void
  readonly signal: AbortSignal
}

export interface BuildLimits {
  readonly cpus: number
  readonly memoryMb: number
  readonly processes: number
  readonly seconds: number
  /** Files of the build: checkout, what it makes, and the layers of a Dockerfile. */
  readonly diskMb: number
}

export interface BuildResult {
  /** Config digest of the image that was made. */
  readonly digest: string
  /** How it was built and why, for people. */
  readonly chosen: string
  readonly runSpec: Pick<RunSpec, 'command'>
  readonly ports: readonly number[]
  /** Where the repository itself names one (`release:` of a Procfile). */
  readonly releaseCommand: readonly string[] | null
  readonly tests: readonly TestFile[]
  /** Hash of the app's files without their times and owners; null where they are not known one by one (a Dockerfile). */
  readonly content: string | null
}

/**
 * Makes an image from a checkout in a box with limits. What the app did wrong is a BuildFailure with its cause; an engine
 * that does not answer is UnavailableError. When the signal aborts everything of the build is ended within 10 s.
 */
export interface Builder {
  /**
   * A short hash of everything beside the files that decides what `build` would make: plan, values of secrets, builder and runner images. The
   * same tree with the same recipe need not be built again. Null: cannot be told (an image somebody may have moved).
   */
  recipe(request: BuildRequest): Promise<string | null>
  build(request: BuildRequest): Promise<BuildResult>
  /** Runs a command in an image that was built before, within the same limits. Throws BuildFailure `tests_failed` and those of a limit. */
  test(request: BuildRequest, artifact: { readonly digest: string; readonly command: readonly string[] }): Promise<void>
  /** For doctor: name, whether it is fine, a sentence with what to do. */
  checks(): Promise<readonly { readonly name: string; readonly ok: boolean; readonly sentence: string }[]>
  /** Ends and removes whatever a build left: after a crash of the server, and after cancel. */
  clean(buildId: string): Promise<void>
  /** Removes what builds of an app kept for the next ones. Throws RejectedError while one of them runs. */
  forget(appId: string): Promise<void>
}
