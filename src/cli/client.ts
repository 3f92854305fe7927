import type { z } from 'zod'
import type { AnswerOf, Endpoint, InputOf } from '../api/contract/endpoint.ts'
import { endpoints } from '../api/contract/endpoints.ts'
import { Problem } from '../api/contract/resources.ts'
import { pause } from '../lib/clock.ts'

/** Where a server is and who asks. */
export interface Connection {
  readonly url: string
  readonly token: string | null
}

/** What the server answered instead of what was asked: a problem document. */
export class ApiProblem extends Error {
  readonly problem: z.output<typeof Problem>

  constructor(problem: z.output<typeof Problem>) {
    super(problem.detail)
    this.name = 'ApiProblem'
    this.problem = problem
  }
}

/** The server did not answer at all. */
export class ServerUnreachable extends Error {
  constructor(url: string, cause: unknown) {
    super(`${url} does not answer. Is the server up ("bin/up"), and is this its address ("lockgate login URL")?`, { cause })
    this.name = 'ServerUnreachable'
  }
}

/** The server takes connections and answers nothing, not even a question for its health. */
export class ServerSilent extends ServerUnreachable {
  constructor(url: string) {
    super(url, undefined)
    this.name = 'ServerSilent'
    this.message = `${url} has not answered for ${SILENT_MS / 1_000} s, not even whether it is there: its process hangs or waits for a disk. Lockgate's supervisor starts a server that hangs again within 30 s: try again then, or look at "lockgate doctor" and the log of the server.`
  }
}

export interface Client {
  /** Calls an endpoint. Throws ApiProblem or ServerUnreachable. */
  call<E extends Endpoint>(endpoint: E, input: InputOf<E>): Promise<AnswerOf<E>>
  /** Follows a stream to its end; comes back with Last-Event-ID when the connection breaks. */
  follow<E extends Endpoint>(endpoint: E, input: InputOf<E>, signal?: AbortSignal): AsyncGenerator<AnswerOf<E>>
}

/** After so long without an answer the server is asked whether it is there, and has as long again. */
const DOUBT_MS = 5_000
const SILENT_MS = 2 * DOUBT_MS
const RECONNECT_MS = 500
/** A server that was replaced is back within this time. */
const PATIENCE_MS = 60_000

/** A typed client: paths, bodies and answers come from the endpoints themselves. */
export function connectTo(connection: Connection): Client {
  return {
    call: async (endpoint, input) => {
      const response = await send(connection, endpoint, { input: input as object, headers: {} })
      return endpoint.response.parse(await response.json()) as AnswerOf<typeof endpoint>
    },
    follow: (endpoint, input, signal) => follow(connection, endpoint, { input: input as object, signal: signal ?? new AbortController().signal }),
  }
}

interface Sending {
  readonly input: object
  readonly headers: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

interface LooseInput {
  readonly params?: Readonly<Record<string, unknown>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  readonly stream?: ReadableStream<Uint8Array>
}

async function send(connection: Connection, endpoint: Endpoint, sending: Sending): Promise<Response> {
  const input = sending.input as LooseInput
  const path = endpoint.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(input.params?.[name])))
  const query = new URLSearchParams(
    Object.entries(input.query ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)] as [string, string]])),
  )
  const url = `${connection.url}${path}${query.size > 0 ? `?${query}` : ''}`
  const answer = new AbortController()
  const asking = fetch(url, {
    method: endpoint.method,
    headers: {
      ...(connection.token === null ? {} : { authorization: `Bearer ${connection.token}` }),
      ...(endpoint.upload === undefined ? {} : { 'content-type': endpoint.upload }),
      ...(input.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...sending.headers,
    },
    ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
    ...(input.stream === undefined ? {} : { body: input.stream, duplex: 'half' as const }),
    ...(sending.signal ? { signal: sending.signal } : {}),
  })
  const response = await Promise.race([asking, silenceOf(connection.url, answer.signal)])
    .catch((cause: unknown) => {
      throw cause instanceof ServerSilent ? cause : new ServerUnreachable(connection.url, cause)
    })
    .finally(() => answer.abort())
  if (response.ok) return response
  const parsed = Problem.safeParse(await response.json().catch(() => null))
  const unknown = {
    type: 'about:blank',
    title: response.statusText,
    status: response.status,
    detail: `${url} answered ${response.status}: is that a Lockgate server?`,
    code: 'client.not_lockgate',
  }
  throw new ApiProblem(parsed.success ? parsed.data : unknown)
}

/**
 * Fails when the server does not even say that it is there: an answer that takes long is no silence. Ends with the signal, also while
 * it asks: a command that went on asking would never end.
 */
async function silenceOf(url: string, answered: AbortSignal): Promise<never> {
  const health = endpoints.health
  for (;;) {
    await pause(DOUBT_MS, answered)
    answered.throwIfAborted()
    const isThere = await fetch(`${url}${health.path}`, { method: health.method, signal: AbortSignal.any([AbortSignal.timeout(DOUBT_MS), answered]) }).then(
      () => true,
      (error: unknown) => !(error instanceof DOMException && error.name === 'TimeoutError'),
    )
    if (!isThere) throw new ServerSilent(url)
  }
}

async function* follow<E extends Endpoint>(
  connection: Connection,
  endpoint: E,
  following: { readonly input: object; readonly signal: AbortSignal },
): AsyncGenerator<AnswerOf<E>> {
  const { input, signal } = following
  let lastId: string | null = null
  let lostSince: number | null = null
  while (!signal.aborted) {
    try {
      const response = await send(connection, endpoint, {
        input,
        signal,
        headers: { accept: 'text/event-stream', ...(lastId === null ? {} : { 'last-event-id': lastId }) },
      })
      for await (const message of messagesOf(response)) {
        lostSince = null
        if (message.event === 'end') return
        if (message.id !== null) lastId = message.id
        if (message.data !== '') yield endpoint.response.parse(JSON.parse(message.data)) as AnswerOf<E>
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ServerSilent && lostSince === null && lastId === null) throw error
      const passing = error instanceof ServerUnreachable || error instanceof TypeError || (error instanceof ApiProblem && error.problem.status === 503)
      if (!passing) throw error
      lostSince ??= performance.now()
      if (performance.now() - lostSince > PATIENCE_MS) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
  }
}

interface Message {
  readonly id: string | null
  readonly event: string
  readonly data: string
}

/** Server-sent events (HTML Living Standard 9.2), as far as our server uses them. */
async function* messagesOf(response: Response): AsyncGenerator<Message> {
  if (!response.body) return
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const field = (name: string): string[] => block.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
      if (block.every((line) => line.startsWith(':'))) continue
      yield { id: field('id')[0] ?? null, event: field('event')[0] ?? 'message', data: field('data').join('\n') }
    }
  }
}
