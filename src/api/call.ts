// What passes between the server and its handlers; both know these words, and neither the other.

import type { z } from 'zod'
import type { Sessions } from '../core/actor/sessions.ts'
import type { Source } from '../core/build/source.ts'
import type { Context } from '../core/context.ts'
import type { CleanNeeds } from '../core/disk/clean.ts'
import type { LogBook } from '../core/log/book.ts'
import type { Sight } from '../core/loops.ts'
import type { Endpoint, GivenOf } from './contract/endpoint.ts'
import type { EndpointName, endpoints } from './contract/endpoints.ts'
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

/** What the door has loaded for a name in the path of an endpoint; null: its path has no such name. */
type Loaded<E extends Endpoint, Name extends 'app' | 'environment'> = E['params'] extends z.ZodObject
  ? Name extends keyof z.output<E['params']>
    ? NonNullable<Passed[Name]>
    : null
  : null

/** What a handler gets: who asks, what the path names, and the input as the endpoint reads it. */
export interface Call<E extends Endpoint = Endpoint> extends GivenOf<E> {
  readonly actor: Passed['actor']
  readonly app: Loaded<E, 'app'>
  readonly environment: Loaded<E, 'environment'>
  /** Aborted when the asker leaves or the server stops: for streams. */
  readonly signal: AbortSignal
  readonly lastEventId: number | null
}

/** Answers one endpoint: a value as its contract says, or messages while the asker stays. */
export type Handler<E extends Endpoint = Endpoint> = (
  handling: Handling,
  call: Call<E>,
) => E['stream'] extends true ? AsyncIterable<LiveMessage<z.input<E['response']>>> : Promise<z.input<E['response']>>

/** The handler of each endpoint, by its name. */
export type Handlers = { readonly [Name in EndpointName]: Handler<(typeof endpoints)[Name]> }

/** The call of an endpoint, by its name. */
export type CallOf<Name extends EndpointName> = Call<(typeof endpoints)[Name]>

/** The part of a call that names one thing by its id in the path. */
export type Named = Pick<CallOf<'readBuild'>, 'actor' | 'params'>
