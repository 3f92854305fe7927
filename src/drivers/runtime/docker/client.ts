import { Agent } from 'node:http'
import type { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { z } from 'zod'
import { InvalidError, messageOf, NotFoundError, PlatformError, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import { Info, Version } from './schema.ts'

// What we speak at most: the newest version of the Engine API these calls were tried with.
const NEWEST_API = [1, 48] as const
const OLDEST_API = [1, 41] as const

/** Who we are for a registry, in the words of the Engine API (X-Registry-Auth). */
export interface RegistryAuth {
  readonly username: string
  readonly password: string
  readonly serveraddress: string
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: Readonly<Record<string, unknown>>
  /** A tar stream as the body. */
  readonly tar?: Readable
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  /** The header of registry credentials; empty for nobody in particular: a push without the header is refused. */
  readonly registry?: RegistryAuth | Record<string, never>
  /** The stream is the connection itself: what is written to it goes to the engine. */
  readonly isTwoWay?: boolean
}

/** An answer of the engine that is not a success; verbs translate the ones they expect, the rest becomes RejectedError. */
export class EngineRefusal extends Error {
  readonly status: number
  /** Whether it was only asked something: then nothing was refused, it could not answer. */
  readonly isQuestion: boolean
  constructor(status: number, message: string, isQuestion = false) {
    super(message)
    this.status = status
    this.isQuestion = isQuestion
  }
}

type Modem = import('dockerode')['modem']

/**
 * docker-modem describes the options of every request for its debug output, also when nobody reads that: with all open
 * connections of an agent in them this took a server of 25 apps whole seconds for each deployment.
 */
class BriefAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent'
  }
}

interface Connection {
  readonly modem: Modem
  readonly version: z.infer<typeof Version>
  readonly info: Info
}

/**
 * The engine's HTTP API over its socket: one deadline per call, the version negotiated at first use, errors translated.
 * Engine API: https://docs.docker.com/reference/api/engine/.
 */
export class EngineClient {
  readonly socket: string
  readonly #timeoutMs: number
  #connection: Promise<Connection> | null = null

  /** Throws InvalidError `runtime.remote` for an engine that is not reached by a socket of this machine. */
  constructor(socket: string, timeoutMs: number) {
    this.socket = socketPath(socket)
    this.#timeoutMs = timeoutMs
  }

  /** What the engine says of itself, asked once. Throws RejectedError `runtime.rootless` or `runtime.too_old`. */
  connect(): Promise<Connection> {
    this.#connection ??= this.#open().catch((error: unknown) => {
      this.#connection = null
      throw error
    })
    return this.#connection
  }

  /** The answer, parsed. Throws EngineRefusal for any other status than 2xx and 304. */
  async json<Schema extends z.ZodType>(schema: Schema, call: Call): Promise<z.infer<Schema>> {
    const { modem } = await this.connect()
    const parsed = schema.safeParse(await this.#dial(modem, call, false))
    if (!parsed.success) throw new UnavailableError('runtime.unreachable', `The engine answered ${call.path} in a form we do not know: ${parsed.error.message}`)
    return parsed.data
  }

  /** A call whose answer nobody reads. */
  async send(call: Call): Promise<void> {
    await this.json(z.unknown(), call)
  }

  /** The body as a stream; the deadline is for its start only. Abort the signal or destroy the stream to end it. */
  async stream(call: Call): Promise<Readable> {
    const { modem } = await this.connect()
    return (await this.#dial(modem, call, true)) as Readable
  }

  async #open(): Promise<Connection> {
    const { default: Docker } = await import('dockerode')
    // No connection is kept: one that the engine closed in between would fail the next call.
    const options = { socketPath: this.socket, agent: new BriefAgent({ keepAlive: false }) }
    const first = new Docker(options).modem
    const version = Version.parse(await this.#dial(first, { path: '/version' }, false))
    const spoken = lower(parseVersion(version.ApiVersion), NEWEST_API)
    if (isLower(parseVersion(version.ApiVersion), OLDEST_API))
      throw new RejectedError('runtime.too_old', `The engine (${version.Version}) speaks API ${version.ApiVersion}; Docker Engine 20.10 or newer is needed`)
    if (isLower(spoken, parseVersion(version.MinAPIVersion)))
      throw new RejectedError('runtime.too_new', `The engine wants API ${version.MinAPIVersion} or newer, we speak ${NEWEST_API.join('.')}: upgrade Lockgate`)
    const modem = new Docker({ ...options, version: `v${spoken.join('.')}` }).modem
    const info = Info.parse(await this.#dial(modem, { path: '/info' }, false))
    if (info.SecurityOptions.some((option) => option.includes('name=rootless')))
      throw new RejectedError('runtime.rootless', 'This engine runs rootless: its networks cannot be reached from the host. Use an engine that runs as root')
    if (info.OperatingSystem.includes('Docker Desktop'))
      throw new RejectedError('runtime.desktop', 'This engine is Docker Desktop: its networks cannot be reached from the host. Use Docker Engine on Linux')
    return { modem, version, info }
  }

  #dial(modem: Modem, call: Call, isStream: boolean): Promise<unknown> {
    const deadline = new AbortController()
    const timeoutMs = call.timeoutMs ?? this.#timeoutMs
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        deadline.abort()
        finish(this.#unreachable(`did not answer ${call.path} within ${timeoutMs} ms`))
      }, timeoutMs)
      const aborted = (): void => finish(this.#unreachable(`was not waited for: ${call.path} was cancelled`))
      const finish = (error: Error | null, answer?: unknown): void => {
        clearTimeout(timer)
        if (!isStream || error) call.signal?.removeEventListener('abort', aborted)
        if (error) reject(error)
        else resolve(answer)
      }
      if (call.signal?.aborted) return aborted()
      call.signal?.addEventListener('abort', aborted, { once: true })
      const signal = call.signal ? AbortSignal.any([deadline.signal, call.signal]) : deadline.signal
      // The modem takes query and body from one object, cuts the last character of a path with `?` and JSON-encodes objects.
      const options = {
        path: `${call.path}?`,
        method: call.method ?? 'GET',
        isStream,
        abortSignal: signal,
        statusCodes: SUCCESS,
        options: { _query: call.query ?? {}, _body: call.body ?? {} },
        ...(call.tar ? { file: call.tar } : {}),
        ...(call.registry === undefined ? {} : { authconfig: call.registry }),
        ...(call.isTwoWay ? { hijack: true } : {}),
      }
      modem.dial(options as unknown as Parameters<Modem['dial']>[0], (cause: unknown, answer: unknown) => {
        if (!cause) return finish(null, answer)
        // Our own error broke the body off: it says more than that the request failed.
        if (cause instanceof PlatformError) return finish(cause)
        const status = statusOf(cause)
        finish(
          status === null
            ? this.#unreachable(`gave no answer: ${messageOf(cause)}`, cause)
            : new EngineRefusal(status, reasonOf(cause), (call.method ?? 'GET') === 'GET'),
        )
      })
    })
  }

  #unreachable(what: string, cause?: unknown): UnavailableError {
    return new UnavailableError('runtime.unreachable', `The Docker engine at ${this.socket} ${what}`, { cause })
  }
}

const SUCCESS = { 200: true, 201: true, 202: true, 204: true, 304: true, 101: true }

/** RejectedError `runtime.refused` from an engine's refusal; any other error as it is. */
export function refused(error: unknown, doing: string): unknown {
  if (!(error instanceof EngineRefusal)) return error
  // A question that it cannot answer now it can answer later; what it was told to do and failed at is for the caller to end.
  if (error.status >= 500 && (error.isQuestion || error.status === 503))
    return new UnavailableError('runtime.unreachable', `The engine could not ${doing} now: ${error.message}`, { cause: error })
  if (error.status >= 500 && /context deadline|is restarting|connection refused|shutting down/.test(error.message))
    return new UnavailableError('runtime.unreachable', `The engine could not ${doing} now: ${error.message}`, { cause: error })
  return new RejectedError('runtime.refused', `The engine refused to ${doing}: ${error.message}`, { cause: error })
}

/** Runs a verb and gives its refusals our words. A 404 becomes what `missing` gives. */
export async function translated<T>(doing: string, work: () => Promise<T>, missing?: () => T | PlatformError): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) {
      const instead = missing ? missing() : new NotFoundError('runtime.not_found', `Cannot ${doing}: it is not there`, { cause: error })
      if (instead instanceof Error) throw instead
      return instead
    }
    throw refused(error, doing)
  }
}

function socketPath(socket: string): string {
  const path = socket.startsWith('unix://') ? socket.slice('unix://'.length) : socket
  if (path.startsWith('/')) return path
  throw new InvalidError(
    'runtime.remote',
    `The engine ${socket} is not a socket of this machine: its networks cannot be reached from here. Run the server beside the engine and unset DOCKER_HOST`,
  )
}

function statusOf(error: unknown): number | null {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : null
}

function reasonOf(error: unknown): string {
  return messageOf(error)
    .replace(/^\(HTTP code \d+\) .*? - /, '')
    .trim()
}

type ApiVersion = readonly [number, number]

function parseVersion(text: string): ApiVersion {
  const [major, minor] = text.split('.').map(Number)
  return [major ?? 0, minor ?? 0]
}

function isLower(a: ApiVersion, b: ApiVersion): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])
}

function lower(a: ApiVersion, b: ApiVersion): ApiVersion {
  return isLower(a, b) ? a : b
}
