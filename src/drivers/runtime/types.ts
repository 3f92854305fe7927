import type { Limits } from '../../core/artifact/artifact.ts'
import type { ObservedInstance } from '../../core/instance/instance.ts'

/** Everything a runtime needs to make one instance or one-off: typed, closed, made by us, nothing passed through (D7). */
export interface InstanceSpec {
  readonly name: string
  readonly kind: 'instance' | 'one-off'
  readonly projectId: string
  readonly environmentId: string
  readonly set: number
  readonly ordinal: number
  /** Idempotency key of the intent that makes it. */
  readonly key: string
  /** Config digest of the image. */
  readonly digest: string
  /** null: what the image says. Replaces command and entrypoint. */
  readonly command: readonly string[] | null
  readonly env: Readonly<Record<string, string>>
  /** null for a one-off: the engine picks one. */
  readonly address: string | null
  readonly subnet: Subnet
  readonly limits: Limits
  readonly stopSignal: string
  readonly stopGraceMs: number
  /** Whether the engine starts it again when it crashes. */
  readonly keepAlive: boolean
}

/** The network of one environment: `10.210.3.64/26`, gateway its first address, instances from `.3` of the block on. */
export interface Subnet {
  readonly environmentId: string
  readonly projectId: string
  readonly cidr: string
  readonly gateway: string
}

/** What an image says about itself. */
export interface ImageFacts {
  /** Config digest, `sha256:...`. */
  readonly digest: string
  /** Ports of `EXPOSE`, TCP only. */
  readonly ports: readonly number[]
  readonly sizeBytes: number
  readonly createdAt: number
}

export interface LogLine {
  readonly stream: 'stdout' | 'stderr'
  readonly text: string
  /** Wall ms as the engine says. */
  readonly at: number
}

export interface Listening {
  readonly address: string
  readonly port: number
}

/**
 * A place where instances run. Verbs name instances and are idempotent: ensure twice is ensure once, remove of nothing is
 * fine. An unreachable system is UnavailableError `runtime.unreachable`; what it refuses is RejectedError `runtime.refused`.
 * Every call has a deadline of its own (default 30 s) beside the signal.
 */
export interface Runtime {
  /** Every instance and one-off of ours in one environment, or in all. A full listing: truth. */
  observe(environmentId?: string): Promise<ObservedInstance[]>
  /** Creates it, not started, with network when needed; changes `keepAlive` of an existing one; else leaves it as it is. */
  ensure(spec: InstanceSpec): Promise<void>
  start(name: string): Promise<void>
  /** Signal, grace, kill, as its spec said. Resolves when it has exited. */
  stop(name: string): Promise<void>
  remove(name: string): Promise<void>
  removeNetwork(environmentId: string): Promise<void>
  /** Resolves NAME:TAG, NAME@sha256:… or a config digest, pulling when the engine does not have it. */
  resolveImage(reference: string): Promise<ImageFacts>
  /** Removes an image by config digest if nothing uses it; true when it is gone. */
  removeImage(digest: string): Promise<boolean>
  /** Lines since a wall time; ends with the instance when it has exited, or with the signal. */
  logs(name: string, options: { readonly sinceMs: number; readonly follow: boolean; readonly signal: AbortSignal }): AsyncIterable<LogLine>
  /** Runs a command inside for a probe; gives its exit status. Not for people. */
  exec(name: string, command: readonly string[], timeoutMs: number): Promise<{ readonly status: number; readonly output: string }>
  /** TCP sockets on which it listens, for hints; null when that cannot be seen. */
  listening(name: string): Promise<Listening[] | null>
  /** Hints that something changed, as instance names; polling stays the truth. */
  watch(signal: AbortSignal): AsyncIterable<string>
  info(): Promise<RuntimeInfo>
}

export interface RuntimeInfo {
  readonly name: string
  readonly version: string
  /** For doctor: name, whether it is fine, a sentence with what to do. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly sentence: string }[]
}
