import type { ActorRef } from '../actor/actor.ts'

/** An immutable fact, written in the transaction of the change it tells of; `hash` covers it and the hash before it. */
export interface Event {
  readonly seq: number
  readonly at: number
  readonly kind: string
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
  readonly kind: string
  readonly actor: ActorRef
  readonly projectId: string
  readonly appId?: string | null
  readonly environmentId?: string | null
  readonly subject?: string | null
  readonly data?: Readonly<Record<string, unknown>>
}
