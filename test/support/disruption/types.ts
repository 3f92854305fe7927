export const KINDS = ['new', 'kept', 'h2c', 'websocket', 'sse', 'upload', 'download'] as const
/**
 * new: a request on a connection of its own. kept: on kept-alive connections. h2c: over HTTP/2 without TLS. websocket: a session with an echo every 100 ms.
 * sse: a stream of events. upload, download: a body in parts over half a second. The last four last about a second.
 */
export type Kind = (typeof KINDS)[number]

export interface DisruptionOptions {
  readonly port: number
  /** The Host header; the connection always goes to 127.0.0.1. */
  readonly host: string
  /** Requests a second, shared by `new` and `kept`. Each of the other kinds starts a fiftieth of it, at least one a second. */
  readonly rate: number
  readonly kinds: readonly Kind[]
  /** Path of `new` and `kept`; default `/`. The long kinds ask /sse, /upload, /download and a WebSocket on /. */
  readonly path?: string
  /** A request without its end after so long has failed; default 30,000. */
  readonly timeoutMs?: number
}

/** Of the requests that started in one step. Times in milliseconds from when each was due. */
export interface Tally {
  readonly sent: number
  readonly failed: number
  /** How often each reason. */
  readonly reasons: Readonly<Record<string, number>>
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface StepReport {
  readonly name: string
  readonly seconds: number
  readonly kinds: Readonly<Partial<Record<Kind, Tally>>>
}

export interface Report {
  readonly sent: number
  readonly failed: number
  /** What the generator itself was late at most: a figure above some ten milliseconds means the machine was too busy. */
  readonly latestStartMs: number
  readonly kinds: Readonly<Partial<Record<Kind, Tally>>>
  readonly steps: readonly StepReport[]
}

/** What the worker hands back for each request. */
export interface Outcome {
  readonly kind: Kind
  readonly step: number
  readonly ms: number
  readonly lateMs: number
  /** null: it went well. */
  readonly reason: string | null
}
