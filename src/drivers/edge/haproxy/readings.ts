// What a slot counted for the instance that has it: HAProxy counts per slot and worker, and a slot is given on. Pure.
import type { Reading } from '../../../core/instance/reading.ts'
import { slotsOf } from './pool.ts'
import type { Pool, Slot } from './schema.ts'
import type { ServerCounts } from './worker.ts'

export interface Place {
  readonly backend: string
  readonly slot: number
}

/** Slots that name another instance than before. */
export function givenSlots(before: Pool, after: Pool): readonly Place[] {
  return Object.entries(after.backends).flatMap(([backend, { slots }]) =>
    slots.flatMap((slot, index) => (slot !== null && before.backends[backend]?.slots[index]?.instance !== slot.instance ? [{ backend, slot: index }] : [])),
  )
}

/** The pool, with what its given slots had counted before. */
export function withBaselines(pool: Pool, given: readonly Place[], of: (place: Place) => Slot['before']): Pool {
  const backends = { ...pool.backends }
  for (const { backend, slot } of given) {
    const held = backends[backend]
    const before = of({ backend, slot })
    if (held && before) backends[backend] = { ...held, slots: held.slots.map((one, index) => (one && index === slot ? { ...one, before } : one)) }
  }
  return { ...pool, backends }
}

/** Where an instance takes requests; where it is only leaving, that; null: it is not named. */
export function servingSlot(pool: Pool, instance: string): Place | null {
  const places = slotsOf(pool, instance)
  return places.find(({ backend, slot }) => pool.backends[backend]?.slots[slot]?.leaving === false) ?? places[0] ?? null
}

/** HAProxy's mean is over so many requests: from then on each takes this part of the sum away and adds itself. */
const WINDOW = 512

/**
 * The part of HAProxy's sliding mean that belongs to the requests since: what is left in it of whoever had the slot before is
 * taken out. HAProxy says whole milliseconds, so it is exact to about 512 / requests milliseconds.
 */
function meanSince(before: ServerCounts, now: ServerCounts): number {
  const requests = now.requests - before.requests
  if (requests <= 0) return 0
  const total = now.answerMs * Math.min(WINDOW, now.requests)
  const inherited = before.answerMs * Math.min(WINDOW, before.requests)
  // Below its window HAProxy adds without taking away.
  if (now.requests <= WINDOW) return Math.max(0, (total - inherited) / requests)
  const left = (1 - 1 / WINDOW) ** (before.requests < WINDOW ? now.requests - WINDOW : requests)
  const own = before.requests < WINDOW ? WINDOW - before.requests * left : WINDOW * (1 - left)
  return Math.max(0, (total - inherited * left) / own)
}

/** Counts of the current worker without those of whoever had the slot before. */
export function readingOf(counts: ServerCounts, at: { readonly pool: Pool; readonly place: Place; readonly worker: number }): Reading {
  const { backend, slot } = at.place
  const before = at.pool.backends[backend]?.slots[slot]?.before
  const isSame = before?.worker === at.worker
  return {
    epoch: `${at.worker}/${backend}/${slot}`,
    requests: counts.requests - (isSame ? before.requests : 0),
    failures: counts.failures - (isSame ? before.failures : 0),
    answerMs: meanSince(isSame ? before : { requests: 0, failures: 0, answerMs: 0 }, counts),
  }
}
