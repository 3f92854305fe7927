// What passes between the server and its handlers; both know these words, and neither the other.

import type { Sessions } from '../core/actor/sessions.ts'
import type { Source } from '../core/build/source.ts'
import type { Context } from '../core/context.ts'
import type { CleanNeeds } from '../core/disk/clean.ts'
import type { LogBook } from '../core/log/book.ts'
import type { Sight } from '../core/loops.ts'
import type { Passed } from './door.ts'
import type { LiveMessage } from './live.ts'

/** What handlers work with. */
export interface Handling extends Context {
  readonly version: string
  readonly sight: Sight
  readonly sessions: Sessions
  readonly source: Source
  readonly book: LogBook
  /** The public URL of a hostname and path of an app. */
  readonly urlOf: (host: string, path: string) => string
  readonly edgePort: number
  readonly apiUrl: string
  /** Names at which the API answers, beside localhost and the name of the machine. */
  readonly names: readonly string[]
  readonly freeBytes: () => Promise<number>
  /** What the disk is asked and cleaned with. */
  readonly disk: CleanNeeds
  /** Checks of the machine that only the composition root knows: ports, disk, data directory. */
  readonly machineChecks: () => Promise<readonly { readonly area: string; readonly name: string; readonly ok: boolean; readonly sentence: string }[]>
}

/** What a handler gets: who asks, what the path names, and the validated input. */
export interface Call extends Passed {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
  /** Aborted when the asker leaves or the server stops: for streams. */
  readonly signal: AbortSignal
  readonly lastEventId: number | null
}

/** Answers one endpoint: a value, or messages while the asker stays. */
export type Handler = (handling: Handling, call: Call) => Promise<unknown> | AsyncIterable<LiveMessage>
