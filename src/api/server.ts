import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { Actor } from '../core/actor/actor.ts'
import { PERMISSIONS } from '../core/actor/may.ts'
import { pause } from '../lib/clock.ts'
import { InvalidError, PlatformError, UnavailableError } from '../lib/errors.ts'
import { randomWord } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { mediaTypeOf, refuseOtherBodies, refuseUnread, takeBodies } from './bodies.ts'
import type { Handling } from './call.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { type EndpointName, endpoints } from './contract/endpoints.ts'
import { boundBodies, HEADERS_MS, MOST_CONNECTIONS } from './deadlines.ts'
import { passDoor, recognise } from './door.ts'
import { handlers } from './endpoints/index.ts'
import { problemOf } from './errors.ts'
import { answerUnreadable, refuseDoubledHeaders } from './headers.ts'
import { type LiveMessage, sendLive } from './live.ts'
import { checkOrigin } from './origin.ts'

/** Files and protocols that are not part of `/v1`: git, the CLI's tarball. */
export type Extra = (server: FastifyInstance) => Promise<void>

const SIGN_IN_TRIES_PER_MINUTE = 10
const FIRST_LOOK_MS = 250

/** Makes the API; it does not listen yet. Throws when a route names no permission: the server must not start then. */
export async function makeServer(handling: Handling, extras: readonly Extra[]): Promise<FastifyInstance> {
  const server = Fastify({
    logger: false,
    bodyLimit: 1024 * 1024,
    genReqId: () => randomWord(12),
    // Bounds of headers and bodies are in deadlines.ts: pushes may take as long as they move.
    requestTimeout: 0,
    // A request without a Host is answered by the check of names.
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: 5_000, requireHostHeader: false },
    clientErrorHandler: answerUnreadable,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
    // Paths that are no paths are refused before there is a route; they get the same kind of answer.
    frameworkErrors: (error, request, reply) => void sendProblem({ error, request, reply: reply.header('x-request-id', request.id) }, handling.log),
  })
  const stopping = new AbortController()
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  server.setErrorHandler((error, request, reply) => sendProblem({ error, request, reply }, handling.log))
  server.setNotFoundHandler((request, reply) => {
    const problem = {
      type: 'urn:lockgate:error:route.not_found',
      title: 'Not found',
      status: 404,
      detail: `There is no ${request.method} ${request.url.slice(0, 200)}. /openapi.json lists what there is.`,
      code: 'route.not_found',
    }
    return reply.code(404).type('application/problem+json').send(JSON.stringify(problem))
  })
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('x-content-type-options', 'nosniff')
  })
  const uploads = new Set(Object.values(endpoints).flatMap((one: Endpoint) => (one.upload === undefined ? [] : [one.upload])))
  takeBodies(server, uploads)
  refuseDoubledHeaders(server)
  checkOrigin(server, handling.names)
  boundBodies(server, (request) => request.url.startsWith('/git/') || uploads.has(mediaTypeOf(request) ?? ''))
  server.server.maxConnections = MOST_CONNECTIONS
  // Streams would keep close() waiting for ever.
  server.addHook('preClose', async () => stopping.abort())
  await server.register(rateLimit, { global: false })
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Lockgate', version: handling.version, description: 'Deployments that drop no request.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  })
  await server.register(async (api) => {
    for (const [name, definition] of Object.entries(endpoints))
      route(api, { name: name as EndpointName, endpoint: definition, handling, stopping: stopping.signal })
  })
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger())
  for (const extra of extras) await server.register(extra)
  await server.ready()
  return server
}

interface Routing {
  readonly name: EndpointName
  readonly endpoint: Endpoint
  readonly handling: Handling
  readonly stopping: AbortSignal
}

/** Refuses an endpoint that does not say who may use it, and one for everybody whose path names an app: the door loads none there. */
export function assertGuarded(name: string, endpoint: { readonly permission?: string; readonly path?: string }): void {
  if (endpoint.permission === 'public' && endpoint.path?.includes('/:app'))
    throw new Error(`The route ${name} is public and names an app; Lockgate does not start like that.`)
  if (endpoint.permission !== 'public' && !(endpoint.permission !== undefined && Object.hasOwn(PERMISSIONS, endpoint.permission))) {
    throw new Error(`The route ${name} names no permission; Lockgate does not start like that.`)
  }
}

function route(api: FastifyInstance, routing: Routing): void {
  const { name, endpoint } = routing
  assertGuarded(name, endpoint)
  const actors = new WeakMap<FastifyRequest, Actor>()
  api.route({
    method: endpoint.method,
    url: endpoint.path,
    schema: {
      operationId: name,
      summary: endpoint.summary,
      description: `${endpoint.description ?? ''}${endpoint.permission === 'public' ? '' : `Needs the permission \`${endpoint.permission}\`.`}`,
      ...(endpoint.permission === 'public' ? {} : { security: [{ token: [] }] }),
      ...(endpoint.params ? { params: endpoint.params } : {}),
      ...(endpoint.query ? { querystring: endpoint.query } : {}),
      ...(endpoint.body ? { body: endpoint.body } : {}),
      ...(endpoint.stream ? {} : { response: { 200: endpoint.response } }),
    },
    ...(name === 'signIn' ? { config: { rateLimit: { max: SIGN_IN_TRIES_PER_MINUTE, timeWindow: '1 minute' } } } : {}),
    onRequest: async (request) => {
      actors.set(request, await recognise(routing.handling, endpoint, request))
      // Of a folder nothing is read before it is known whether it may be sent there.
      if (endpoint.upload === undefined) refuseOtherBodies(endpoint, request)
    },
    handler: async (request, reply) => {
      const actor = actors.get(request)
      if (!actor) throw new Error(`nobody was recognised at ${name}`)
      return handle({ request, reply, actor }, routing)
    },
  })
}

interface Asked {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly actor: Actor
}

async function handle(asked: Asked, routing: Routing): Promise<unknown> {
  const { request, reply } = asked
  const { endpoint, handling, name } = routing
  const passed = await passDoor(handling, endpoint, asked)
  refuseUnread(endpoint, request)
  if (endpoint.upload !== undefined) refuseOtherBodies(endpoint, request)
  const stop = new AbortController()
  // When the token ends, the connection breaks in the middle of the answer; the next request is refused at the door.
  const over = handling.sessions.open(asked.actor, () => {
    stop.abort()
    request.raw.destroy()
  })
  reply.raw.once('close', over)
  const leave = (): void => stop.abort()
  routing.stopping.addEventListener('abort', leave, { once: true })
  reply.raw.once('close', () => routing.stopping.removeEventListener('abort', leave))
  const call = {
    ...passed,
    params: request.params,
    query: request.query,
    body: request.body,
    signal: stop.signal,
    lastEventId: lastEventIdOf(request),
  }
  // Of all endpoints together neither the call nor the handler can be said; of each the compiler has looked at both.
  const handler = handlers[name] as unknown as (handling: Handling, call: unknown) => Promise<unknown> | AsyncIterable<LiveMessage>
  const answer = handler(handling, call)
  if (!endpoint.stream) return answer
  // The first look happens before the answer begins, so that "not found" is still a status and not a broken stream. But a
  // stream that has nothing to say yet begins too: a reader must see that it is heard.
  const messages = (answer as AsyncIterable<LiveMessage>)[Symbol.asyncIterator]()
  const first = messages.next()
  await Promise.race([first, pause(FIRST_LOOK_MS)])
  return sendLive(reply, prepend(first, messages), stop)
}

async function* prepend(first: Promise<IteratorResult<LiveMessage>>, rest: AsyncIterator<LiveMessage>): AsyncGenerator<LiveMessage> {
  for (let next = await first; !next.done; next = await rest.next()) yield next.value
}

/** Where the reader of a stream was; null: it does not say. Throws InvalidError `request.invalid`: to begin elsewhere would pass things over. */
function lastEventIdOf({ headers }: FastifyRequest): number | null {
  const said = headers['last-event-id']
  if (said === undefined) return null
  if (typeof said === 'string' && /^\d{1,15}$/.test(said)) return Number(said)
  throw new InvalidError('request.invalid', `Last-Event-ID is the id of a message of this stream, and "${String(said).slice(0, 100)}" is none.`)
}

function sendProblem(failed: { readonly error: unknown; readonly request: FastifyRequest; readonly reply: FastifyReply }, log: Log): FastifyReply {
  const { error, request, reply } = failed
  const expected = expectedOf(error)
  const problem = problemOf(expected, request.id)
  if (!(expected instanceof PlatformError)) log.error('request failed', { requestId: request.id, method: request.method, url: request.url, error })
  // The limit of tries has said already how long it is.
  if (expected instanceof UnavailableError && !reply.hasHeader('retry-after')) reply.header('retry-after', '2')
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="Lockgate"')
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

interface Fault {
  readonly instancePath: string
  readonly message?: string
  readonly params?: { readonly issues?: readonly { readonly message?: string }[] }
}

interface HttpFault {
  readonly statusCode: number
  readonly code?: string
  readonly message: string
  readonly validation?: readonly Fault[]
  readonly validationContext?: string
}

/** Faults of the framework (schema, size, syntax, rate) in our words. */
function expectedOf(error: unknown): unknown {
  if (error instanceof PlatformError || !isHttpFault(error)) return error
  if (error.validation) {
    const problems = error.validation.map((one) => ({
      path: `${error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? '')}${one.instancePath.replaceAll('/', '.')}`.replace(
        /\.$/,
        '',
      ),
      // Of a wrong key in a record the rule that it breaks says more than that it is wrong.
      message: one.params?.issues?.[0]?.message ?? one.message ?? 'is not valid',
    }))
    return new InvalidError('request.invalid', problems.map((one) => `${one.path}: ${one.message}`).join('\n'), { details: { problems } })
  }
  if (error.statusCode === 429) return new UnavailableError('request.too_many', 'Too many tries; wait a minute.')
  if (error.statusCode === 413) return new InvalidError('request.too_large', 'The request is larger than this route takes.')
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new InvalidError('request.invalid', 'A folder is sent as application/gzip, and all else as application/json: set the header Content-Type.')
  if (error.statusCode >= 400 && error.statusCode < 500) return new InvalidError('request.invalid', error.message)
  return error
}

function isHttpFault(error: unknown): error is HttpFault {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number'
}
