import { createHash, createHmac } from 'node:crypto'
import { refOf } from '../core/actor/actor.ts'
import type { Event, NewEvent } from '../core/event/event.ts'

/** The hash before the first event. */
export const GENESIS = '0'.repeat(64)

export interface Place {
  readonly seq: number
  readonly at: number
  readonly previousHash: string
}

/** Makes an event out of a fact: HMAC-SHA-256 with the audit key over all its fields in a fixed order and the hash before. */
export function chain(event: NewEvent, place: Place, key: Buffer): Event {
  const complete = {
    ...place,
    form: 2,
    kind: event.kind,
    actor: refOf(event.actor),
    projectId: event.projectId,
    appId: event.appId ?? null,
    environmentId: event.environmentId ?? null,
    subject: event.subject ?? null,
    data: event.data ?? {},
  } as const
  return { ...complete, hash: hashOf(complete, key) }
}

/** Whether the hash of an event is that of its fields. */
export function isChained(event: Event, key: Buffer): boolean {
  return hashOf(event, key) === event.hash
}

function hashOf(event: Omit<Event, 'hash'>, key: Buffer): string {
  const { actor } = event
  const who = event.form === 1 ? [actor.name] : [actor.kind, actor.id, actor.name]
  const fields = [event.previousHash, event.seq, event.at, event.kind, ...who, event.projectId, event.appId, event.environmentId, event.subject, event.data]
  const text = JSON.stringify(fields)
  return event.form === 1 ? createHash('sha256').update(text).digest('hex') : createHmac('sha256', key).update(text).digest('hex')
}
