import type { Scope, Token } from '../core/actor/actor.ts'
import type { App } from '../core/app/app.ts'
import type { Artifact } from '../core/artifact/artifact.ts'
import type { Build } from '../core/build/build.ts'
import type { BuildStepRecord } from '../core/build/build-step.ts'
import type { ConfigRevision } from '../core/config-revision/config-revision.ts'
import type { Deployment } from '../core/deployment/deployment.ts'
import type { StepRecord } from '../core/deployment/step.ts'
import type { Environment } from '../core/environment/environment.ts'
import type { Event, EventFault, NewEvent } from '../core/event/event.ts'
import type { Instance } from '../core/instance/instance.ts'
import type { OneOff } from '../core/one-off/one-off.ts'
import type { Project } from '../core/project/project.ts'
import type { Push } from '../core/push/push.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { Pin, Release } from '../core/release/release.ts'
import type { Domain } from '../core/route/route.ts'
import type { SecretVersion } from '../core/secret/secret.ts'
import type { CodeSource } from '../core/source/source.ts'

/** Which rows: equal fields (null: is null; a list: any of them), order and number. */
export interface Listing<T> {
  readonly where?: { readonly [Field in keyof T]?: T[Field] | readonly T[Field][] }
  readonly orderBy?: keyof T & string
  readonly descending?: boolean
  readonly limit?: number
}

/** Reading one noun, always within a scope. */
export interface Reading<T> {
  find(scope: Scope, key: string): Promise<T | null>
  /** Like find, but absence is NotFoundError `<noun>.not_found`. */
  get(scope: Scope, key: string): Promise<T>
  list(scope: Scope, listing?: Listing<T>): Promise<T[]>
}

/** Reading and writing one noun inside a transaction. */
export interface Repository<T> extends Reading<T> {
  insert(record: T): Promise<T>
  /** Compare-and-set on `version`: ConflictError `store.stale` when it moved on. Gives the record as saved. */
  save<V extends T & { readonly version: number }>(before: V, after: V): Promise<V>
  /** Some fields of a row that only one place writes. */
  set(key: string, change: Partial<T>): Promise<void>
  remove(key: string): Promise<void>
  /** One more than the greatest `field` among the rows that match, or 1. */
  next(field: keyof T & string, where?: Partial<T>): Promise<number>
}

/** Every noun that is kept, under the name of its repository. */
export interface Nouns {
  readonly projects: Project
  readonly apps: App
  readonly environments: Environment
  readonly domains: Domain
  readonly configRevisions: ConfigRevision
  readonly secretVersions: SecretVersion
  readonly artifacts: Artifact
  readonly releases: Release
  readonly pins: Pin
  readonly builds: Build
  readonly deployments: Deployment
  readonly steps: StepRecord
  readonly instances: Instance
  readonly oneOffs: OneOff
  readonly events: Event
  readonly tokens: Token
  readonly buildSteps: BuildStepRecord
  readonly sources: CodeSource
  readonly registries: Registry
  readonly pushes: Push
}

/** Reading only: what the API's queries get. */
export type ReadStore = { readonly [N in keyof Nouns]: Reading<Nouns[N]> } & {
  /** Events after `seq` that the scope may see, oldest first. */
  eventsAfter(scope: Scope & { readonly appId?: string }, seq: number, limit: number): Promise<Event[]>
  /** The greatest edge generation that was ever wanted. */
  edgeGeneration(): Promise<number>
}

/** One transaction. Never held over I/O. */
export type Tx = { readonly [N in keyof Nouns]: Repository<Nouns[N]> } & {
  /** Writes a fact, chained to the one before. */
  record(event: NewEvent): Promise<void>
  /** A new edge generation: call it in the transaction that changes what should be routed. */
  nextEdgeGeneration(): Promise<number>
  edgeGeneration(): Promise<number>
  /** Frees a hostname and path; false when it was not there. */
  removeDomain(host: string, path: string): Promise<boolean>
  /** Forgets pins of an environment; of one pair when given. */
  removePins(environmentId: string, pair?: { readonly artifactId: string; readonly configRevisionId: string }): Promise<void>
  /** Keeps a sign-in code, by hash; older ones die. */
  putSignInCode(hash: string, expiresAt: number): Promise<void>
  /** Uses a code up; false when it is unknown, used or expired. */
  useSignInCode(hash: string, now: number): Promise<boolean>
}

/** What a committed transaction did, for whoever wants to look early. */
export interface Commit {
  readonly events: readonly Event[]
  /** The newest edge generation, when this transaction made one. */
  readonly edgeGeneration: number | null
}

export interface Store {
  readonly read: ReadStore
  /** Start count of servers on this data: the fencing number. */
  readonly epoch: number
  /** Random, made with the database: in the labels of everything we create. */
  readonly installation: string
  /**
   * Runs the work in one transaction: all or nothing. Throws what the work throws; UnavailableError `store.busy` or
   * `store.disk_full` when it could not be written. Events reach the listeners after the commit.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** Calls back after each committed transaction; gives the way to stop that. */
  onCommit(listener: (commit: Commit) => void): () => void
  /** Checks all events against their chain and the anchor outside the database; null: nothing is wrong. */
  verifyEvents(): Promise<EventFault | null>
  close(): Promise<void>
}
