import type { ActorRef } from '../actor/actor.ts'
import type { BuildStatus } from '../build/build.ts'
import type { DeploymentStatus } from '../deployment/deployment.ts'
import type { OneOffStatus } from '../one-off/one-off.ts'

/** Everything that an event can tell, as NOUN.WHAT; of what has states, the state that it came to. */
export type EventKind =
  | `app.${'created' | 'changed' | 'removed' | 'gone'}`
  | 'artifact.gone'
  | 'branch.moved'
  | `build.${BuildStatus}`
  | 'config.revised'
  | `deployment.${DeploymentStatus | 'cancel_requested' | 'pause_requested' | 'resumed'}`
  | 'disk.cleaned'
  | `domain.${'added' | 'removed'}`
  | `environment.${'created' | 'changed' | 'gone'}`
  | 'events.missing'
  | 'instance.disk_exceeded'
  | `one_off.${OneOffStatus | 'opened' | 'cancel_requested'}`
  | 'project.created'
  | 'push.received'
  | `ref.${'moved' | 'deleted'}`
  | `registry.${'set' | 'removed'}`
  | `release.${'created' | 'watched' | 'worse'}`
  | 'secret.revoked'
  | `source.${'set' | 'removed'}`
  | `token.${'created' | 'revoked'}`

/** What an event is about: the noun of its kind. */
export type EventNoun = EventKind extends infer Kind ? (Kind extends `${infer Noun}.${string}` ? Noun : never) : never

/** Whether an event is about one of these. Pure. */
export function isAbout({ kind }: Pick<Event, 'kind'>, ...nouns: readonly EventNoun[]): boolean {
  return nouns.some((noun) => noun === kind.slice(0, kind.indexOf('.')))
}

/** An immutable fact, written in the transaction of the change it tells of; `hash` covers it and the hash before it. */
export interface Event {
  readonly seq: number
  readonly at: number
  readonly kind: EventKind
  readonly actor: ActorRef
  readonly projectId: string
  readonly appId: string | null
  readonly environmentId: string | null
  /** The id of what it is about: a deployment, a build, a token. */
  readonly subject: string | null
  readonly data: Readonly<Record<string, unknown>>
  /** How `hash` is made. 1: SHA-256 (events of old databases); 2: HMAC-SHA-256 with the audit key, which is not in the database. */
  readonly form: 1 | 2
  readonly previousHash: string
  readonly hash: string
}

/** What is wrong with the log of events. */
export type EventFault =
  /** This event was changed, or one before it was removed or inserted. */
  | { readonly kind: 'changed'; readonly seq: number }
  /** The events behind `after`, up to `through`, were deleted; or the database is an older copy. */
  | { readonly kind: 'tail_missing'; readonly after: number; readonly through: number }

/** A fact before it is written. */
export interface NewEvent {
  readonly kind: EventKind
  readonly actor: ActorRef
  readonly projectId: string
  readonly appId?: string | null
  readonly environmentId?: string | null
  readonly subject?: string | null
  readonly data?: Readonly<Record<string, unknown>>
}
