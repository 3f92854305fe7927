import { createHash } from 'node:crypto'
import type { Event, NewEvent } from '../core/event/event.ts'

/** The hash before the first event. */
export const GENESIS = '0'.repeat(64)

/** Makes an event out of a fact: SHA-256 over all its fields in a fixed order and the hash of the event before. */
export function chain(event: NewEvent, place: { readonly seq: number; readonly at: number; readonly previousHash: string }): Event {
  const complete = {
    ...place,
    kind: event.kind,
    actor: event.actor,
    projectId: event.projectId,
    appId: event.appId ?? null,
    environmentId: event.environmentId ?? null,
    subject: event.subject ?? null,
    data: event.data ?? {},
  }
  return { ...complete, hash: hashOf(complete) }
}

/** Whether an event's hash is that of its fields. */
export function isChained(event: Event): boolean {
  return hashOf(event) === event.hash
}

function hashOf(event: Omit<Event, 'hash'>): string {
  const fields = [
    event.previousHash,
    event.seq,
    event.at,
    event.kind,
    event.actor,
    event.projectId,
    event.appId,
    event.environmentId,
    event.subject,
    event.data,
  ]
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex')
}
