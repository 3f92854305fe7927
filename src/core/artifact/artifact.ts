import type { Trust } from '../trust/trust.ts'

/** An immutable result of a build, or an image somebody named: known by its config digest. */
export interface Artifact {
  readonly id: string
  readonly projectId: string
  readonly appId: string
  /** The image's config digest, `sha256:<64 hex>`: what the engine calls the image's id. */
  readonly digest: string
  /** Where it came from, for people: `main@3f2c1a9` or `registry.example.net/shop:1.4`. */
  readonly origin: string
  readonly commitId: string | null
  readonly buildId: string | null
  /** What it was made of: the git tree and the recipe of its build. The same again need not be built. */
  readonly treeId: string | null
  readonly recipe: string | null
  /** For each key of `build.secrets` a keyed hash of the value that its build was given: the value may stand in the image. */
  readonly buildValues: Readonly<Record<string, string>>
  /** Level that it was built at. */
  readonly trust: Trust
  /** Hash of its files without their times: two builds of the same code agree on it. */
  readonly content: string | null
  /** NAME@sha256:… in the registry of artifacts; null: it is in the engine only. */
  readonly reference: string | null
  /** What `lockgate.yaml` and the image said when it was made: the run spec of its releases. */
  readonly runSpec: RunSpec
  readonly createdAt: number
  readonly removedAt: number | null
}

/** The label of an image that says which app it was built for. */
export const APP_LABEL = 'lockgate.app'

/** Whether an image was built for another app, of this installation or of any: its files are not to be had by naming it. */
export function isOfAnotherApp(labels: Readonly<Record<string, string>>, appId: string | null): boolean {
  const owner = labels[APP_LABEL] ?? ''
  return owner !== '' && owner !== appId
}

export type Protocol = 'http' | 'h2c'

/** How readiness is asked, from outside the instance. Times in milliseconds. */
export interface HealthSpec {
  /** default: TCP on the port, and an HTTP answer to `/` must not be 5xx. */
  readonly kind: 'default' | 'http' | 'tcp' | 'command'
  readonly path: string
  /** Host header of HTTP probes; absent: the app's first own hostname. */
  readonly host?: string
  readonly command: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly startDeadlineMs: number
  /** Successes in a row before it is ready; failures in a row before it is not. */
  readonly rise: number
  readonly fall: number
}

export interface Limits {
  /** Cores, e.g. 0.5. */
  readonly cpus: number
  readonly memoryMb: number
  readonly processes: number
  /** What an instance may write outside of volumes; releases from before it was kept have the default. */
  readonly diskMb?: number
}

export const DEFAULT_DISK_MB = 10_240

export interface DrainSpec {
  readonly deadlineMs: number
  /** What happens when requests are still in flight at the deadline. */
  readonly atDeadline: 'wait' | 'cut' | 'abort'
}

/** How instances of a release run: part of the release, so a rollback brings it back. */
export interface RunSpec {
  /** null: what the image says. */
  readonly command: readonly string[] | null
  readonly port: number
  readonly protocol: Protocol
  readonly health: HealthSpec
  readonly limits: Limits
  /** null: the STOPSIGNAL of the image, else SIGTERM. */
  readonly stopSignal: string | null
  readonly stopGraceMs: number
  readonly drain: DrainSpec
  /** Run once before traffic moves to a new release; null: none. */
  readonly releaseCommand: readonly string[] | null
  /** How long a silent response may stay open at the edge. */
  readonly requestTimeoutMs: number
  /** forbidden: going back from it needs a person who insists. Absent in releases made before there was the word. */
  readonly rollback?: 'allowed' | 'forbidden'
}

export const DEFAULT_RUN_SPEC: RunSpec = {
  command: null,
  port: 8080,
  protocol: 'http',
  health: { kind: 'default', path: '/', command: [], intervalMs: 2_000, timeoutMs: 2_000, startDeadlineMs: 60_000, rise: 2, fall: 3 },
  limits: { cpus: 1, memoryMb: 512, processes: 256 },
  stopSignal: null,
  stopGraceMs: 10_000,
  drain: { deadlineMs: 30_000, atDeadline: 'cut' },
  releaseCommand: null,
  requestTimeoutMs: 3_600_000,
}
