import type { Manifest } from '../app/manifest.ts'

/** What is built by which means. */
export type BuildKind = 'dockerfile' | 'makefile' | 'node' | 'python' | 'go' | 'php' | 'static' | 'steps'

/**
 * Lockgate's own images: what apps run on, what their builds run in (`-build`), and that with compilers (`-native`).
 * `image-build` is what Dockerfiles are built in.
 */
export const BASES = [
  'base',
  'build',
  'native',
  'node',
  'node-build',
  'node-native',
  'python',
  'python-build',
  'python-native',
  'go-build',
  'php',
  'php-build',
  'static',
  'image-build',
] as const
export type BaseName = (typeof BASES)[number]

/** A base of Lockgate's own; a version where it is of a language. */
export interface BaseChoice {
  readonly base: BaseName
  readonly version: string | null
}

/** A base, or an image somebody named in `lockgate.yaml` (by tag or digest, never replaced). */
export type ImageChoice = BaseChoice | { readonly image: string }

/** What is known of a checkout before anything of it is run: its files, and the text of those that `filesToRead` names. */
export interface Checkout {
  /** Relative paths. */
  readonly files: readonly string[]
  /** null: larger than anybody reads. */
  readonly texts: Readonly<Record<string, string | null>>
  readonly manifest: Manifest
}

/** One program of a build, run in the checkout; its environment is the box's and `env`. */
export interface PlannedStep {
  /** What the log and the live view call it: `npm ci`. */
  readonly name: string
  /** The program and its arguments; never a line for a shell. */
  readonly run: readonly string[]
  readonly phase: 'install' | 'build' | 'test'
  readonly env?: Readonly<Record<string, string>>
  /**
   * What it makes follows from these files, the builder, the environment and the steps before it: the same key brings the outputs
   * back from the cache without running it. Left out where anything else may take part.
   */
  readonly keeps?: { readonly inputs: readonly string[]; readonly outputs: readonly string[] }
}

/** What of the box becomes `/app` of the image. */
export type Taken =
  /** An archive the build left, e.g. `code.tar.gz`. */
  | { readonly kind: 'archive'; readonly path: string }
  /** A folder of the checkout after the build; '' is all of it. */
  | { readonly kind: 'folder'; readonly path: string }

interface Planned {
  /** Sentences for people: what was found, what was chosen, and why. */
  readonly why: readonly string[]
}

/** Steps in a builder image, then files on a runner image. */
export interface StepsPlan extends Planned {
  readonly kind: Exclude<BuildKind, 'dockerfile'>
  /** null: nothing is run, the checkout's files are the app. */
  readonly builder: ImageChoice | null
  readonly steps: readonly PlannedStep[]
  readonly taken: Taken
  readonly runner: ImageChoice
  /** What the image runs; null: what the runner image says. */
  readonly command: readonly string[] | null
  readonly env: Readonly<Record<string, string>>
  /** Run once before traffic moves, where the repository says so (`release:` of a Procfile). */
  readonly releaseCommand: readonly string[] | null
}

/** A Dockerfile of the checkout. */
export interface DockerfilePlan extends Planned {
  readonly kind: 'dockerfile'
  /** Path of the file, and of the folder its `COPY` sees ('' is all of the checkout). */
  readonly file: string
  readonly context: string
  /** The stage that is built; null: the last. */
  readonly target: string | null
  readonly args: Readonly<Record<string, string>>
}

/** How a checkout becomes an image: decided from its files alone, before anything of it is run. */
export type BuildPlan = StepsPlan | DockerfilePlan

/** Why a checkout is not of a kind, as the end of a sentence: "there is no Makefile". */
export interface NotThis {
  readonly not: string
  /** It looks like this kind and only lacks something: what a person whose repository is refused wants to read. */
  readonly isNear: boolean
}

/** One way of building. Pure: a plan from files, or why there is none. */
export interface Language {
  readonly kind: BuildKind
  /** How a person says it: `a Node app`. */
  readonly called: string
  /** Files whose text it wants. */
  reads(files: readonly string[]): readonly string[]
  plan(checkout: Checkout): BuildPlan | NotThis
}
