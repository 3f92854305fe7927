// The log of events as a whole: appended to, read, verified against the anchor outside the database.
import type { Scope } from '../core/actor/actor.ts'
import { EVERYTHING } from '../core/actor/actor.ts'
import type { Event, EventFault, EventKind, NewEvent } from '../core/event/event.ts'
import { type Anchor, type Audit, KEPT_GAPS } from './audit.ts'
import { chain, GENESIS, isChained } from './event-chain.ts'
import { type Db, Records } from './records.ts'

const PAGE = 1_000
/** The anchor follows the log after this long: one write for a burst of events. */
const ANCHOR_AFTER_MS = 500
/** A gap is reported for this long; the event that tells of it stays. */
const GAP_REPORTED_MS = 7 * 86_400_000

/** Appends a fact, chained to the event before it. */
export async function append(db: Db, event: NewEvent, how: { readonly at: number; readonly key: Buffer }): Promise<Event> {
  const last = await db.selectFrom('event').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1).executeTakeFirst()
  const place = { seq: Number(last?.['seq'] ?? 0) + 1, at: how.at, previousHash: String(last?.['hash'] ?? GENESIS) }
  return new Records<Event>(db, EVENTS).insert(chain(event, place, how.key))
}

/** The table of events, for Records. */
export const EVENTS = { table: 'event', key: 'seq', json: ['data', 'actor'] } as const

/** Events after `seq` that the scope may see, oldest first. */
export async function eventsAfter(
  db: Db,
  after: { readonly scope: Scope & { readonly appId?: string }; readonly seq: number; readonly limit: number },
): Promise<Event[]> {
  let query = db.selectFrom('event').selectAll().where('seq', '>', after.seq).orderBy('seq').limit(after.limit)
  if (after.scope.projectId !== null) query = query.where('project_id', '=', after.scope.projectId)
  if (after.scope.appId !== undefined) query = query.where('app_id', '=', after.scope.appId)
  return (await query.execute()).map((row) => ({
    seq: Number(row['seq']),
    at: Number(row['at']),
    form: Number(row['form']) === 1 ? 1 : 2,
    // Of an older version it may be another one: nobody acts on the past.
    kind: String(row['kind']) as EventKind,
    actor: JSON.parse(String(row['actor'])),
    projectId: String(row['project_id']),
    appId: textOrNull(row['app_id']),
    environmentId: textOrNull(row['environment_id']),
    subject: textOrNull(row['subject']),
    data: JSON.parse(String(row['data'])),
    previousHash: String(row['previous_hash']),
    hash: String(row['hash']),
  }))
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}

/** Follows the head of the log with the anchor, and knows what is wrong with the log. */
export class EventGuard {
  readonly #audit: Audit
  #anchor: Anchor | null
  #keyedFrom: number | null
  #head: { readonly seq: number; readonly hash: string } | null = null
  #timer: NodeJS.Timeout | null = null
  #saving: Promise<void> = Promise.resolve()

  constructor(audit: Audit) {
    this.#audit = audit
    this.#anchor = audit.anchor
    this.#keyedFrom = audit.anchor?.keyedFrom ?? null
  }

  get key(): Buffer {
    return this.#audit.key
  }

  /** Whether events are missing at the end of this database: how many there are, how many there were. */
  missing(head: number): { readonly after: number; readonly through: number } | null {
    return this.#anchor !== null && head < this.#anchor.seq ? { after: head, through: this.#anchor.seq } : null
  }

  /** The log goes on after a gap. `head`: the hash of the newest event there is, and now. */
  goOn(gap: { readonly after: number; readonly through: number }, head: { readonly hash: string; readonly at: number }): void {
    if (this.#anchor === null) return
    const gaps = [...this.#anchor.gaps, { ...gap, at: head.at }].slice(-KEPT_GAPS)
    this.#anchor = { ...this.#anchor, seq: gap.after, hash: head.hash, gaps }
  }

  /** Remembers the newest event outside the database, soon. Nobody waits for it: the anchor may be behind, never ahead. */
  written(events: readonly Event[]): void {
    const last = events.at(-1)
    if (!last) return
    this.#head = last
    this.#keyedFrom ??= events[0]?.seq ?? null
    this.#timer ??= setTimeout(() => void this.flush(), ANCHOR_AFTER_MS).unref()
  }

  /** Writes the anchor now. A disk that is full leaves the anchor behind; the next event writes it again. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#saving = this.#saving.then(() => this.#save())
    return this.#saving
  }

  async #save(): Promise<void> {
    const head = this.#head
    if (head === null || head.seq === this.#anchor?.seq) return
    const anchor = { seq: head.seq, hash: head.hash, keyedFrom: this.#keyedFrom, gaps: this.#anchor?.gaps ?? [] }
    await this.#audit.save(anchor).then(
      () => {
        this.#anchor = anchor
      },
      () => undefined,
    )
  }

  /** Reads the whole log. Null: every event is as it was written, and none is missing. `now`: wall milliseconds. */
  async verify(db: Db, now: number): Promise<EventFault | null> {
    const anchor = this.#anchor
    let previous = { seq: 0, hash: GENESIS, form: 1 }
    for (;;) {
      const events = await eventsAfter(db, { scope: EVERYTHING, seq: previous.seq, limit: PAGE })
      for (const event of events) {
        if (event.seq !== previous.seq + 1 || event.previousHash !== previous.hash || !isChained(event, this.key)) return { kind: 'changed', seq: event.seq }
        const mustBeKeyed = previous.form === 2 || (anchor?.keyedFrom != null && event.seq >= anchor.keyedFrom)
        if (mustBeKeyed && event.form !== 2) return { kind: 'changed', seq: event.seq }
        if (anchor !== null && event.seq === anchor.seq && event.hash !== anchor.hash) return { kind: 'changed', seq: event.seq }
        previous = event
      }
      if (events.length < PAGE) break
    }
    const missing = this.missing(previous.seq)
    if (missing) return { kind: 'tail_missing', ...missing }
    const gap = anchor?.gaps.findLast((one) => now - one.at < GAP_REPORTED_MS)
    return gap ? { kind: 'tail_missing', after: gap.after, through: gap.through } : null
  }
}
