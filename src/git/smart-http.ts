// Git over HTTP (gitprotocol-http(5)): git's own programs do the protocol, we do the door and the pipes.
import type { ChildProcess } from 'node:child_process'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { bearerOf } from '../api/door.ts'
import { problemOf } from '../api/errors.ts'
import { may, mustBeAllowed } from '../core/actor/may.ts'
import type { Sessions } from '../core/actor/sessions.ts'
import { authenticate } from '../core/actor/token.ts'
import { type App, AppName } from '../core/app/app.ts'
import { findApp } from '../core/app/remove.ts'
import type { Context } from '../core/context.ts'
import { ForbiddenError, InvalidError, NotFoundError } from '../lib/errors.ts'
import { launchBounded } from '../lib/run.ts'
import { GIT_ENVIRONMENT } from './environment.ts'
import type { HookSocket } from './hook-socket.ts'
import { packet } from './packet-line.ts'
import type { PushedBy } from './push.ts'
import { LARGEST_PUSH_BYTES, type Repositories } from './repository.ts'
import { isShallowPush, takeInShallow } from './shallow.ts'

export interface GitNeeds {
  readonly context: Context
  readonly repositories: Repositories
  readonly hooks: HookSocket
  readonly sessions: Sessions
}

/** Heap of a git that a stranger feeds, and of the hook it starts: a push that needs more fails, and nothing else. */
const GIT_DATA_BYTES = 768 * 1024 ** 2

const SERVICES: readonly string[] = ['git-upload-pack', 'git-receive-pack']

/** The routes under `/git/`: reading needs app.read, pushing source.push; the ref decides again in the hook. */
export function gitRoutes(needs: GitNeeds): (server: FastifyInstance) => Promise<void> {
  return async (server) => {
    server.removeAllContentTypeParsers()
    server.addContentTypeParser('*', (_request, _payload, done) => done(null, null))
    server.setErrorHandler((error, request, reply) => explain(needs, { error, request, reply }))
    server.get('/git/:repository/info/refs', { schema: { hide: true } }, (request, reply) => advertise(needs, request, reply))
    for (const service of SERVICES)
      server.post(`/git/:repository/${service}`, { schema: { hide: true } }, (request, reply) => serve(needs, { service, request, reply }))
  }
}

/** git shows what a server says to people only when it is plain text. */
function explain(needs: GitNeeds, failed: { readonly error: unknown; readonly request: FastifyRequest; readonly reply: FastifyReply }): FastifyReply {
  const { error, request, reply } = failed
  const problem = problemOf(error, request.id)
  if (problem.status >= 500) needs.context.log.error('git request failed', { requestId: request.id, url: request.url, error })
  if (problem.status === 401) reply.header('www-authenticate', 'Basic realm="Lockgate", charset="UTF-8"')
  return reply.code(problem.status).type('text/plain; charset=utf-8').send(`${problem.detail}\n`)
}

async function pass(needs: GitNeeds, request: FastifyRequest, service: string): Promise<PushedBy> {
  const actor = await authenticate(needs.context, bearerOf(request, { basic: true }))
  const { repository = '' } = request.params as { repository?: string }
  const name = AppName.safeParse(repository.replace(/\.git$/, ''))
  if (!name.success) throw new NotFoundError('app.not_found', `There is no app ${repository.slice(0, 60)}.`)
  const app = await findApp(needs.context.store.read, { projectId: actor.projectId }, name.data)
  mustBeAllowed(actor, 'app.read')
  if (service === 'git-receive-pack' && !may(actor, 'source.push'))
    throw new ForbiddenError('actor.may_not', `${actor.name} (${actor.role}) may not push code.`)
  await needs.repositories.ensure(app.name)
  return { actor, app }
}

async function advertise(needs: GitNeeds, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const { service = '' } = request.query as { service?: string }
  if (!SERVICES.includes(service)) throw new ForbiddenError('git.dumb_protocol', 'This server speaks the smart protocol only; use git 1.6.6 or newer.')
  const { app, actor } = await pass(needs, request, service)
  reply.raw.once(
    'close',
    needs.sessions.open(actor, () => request.raw.destroy()),
  )
  const args = [service.slice(4), '--stateless-rpc', '--http-backend-info-refs', needs.repositories.pathOf(app.name)]
  const env = { ...GIT_ENVIRONMENT, ...protocolOf(request) }
  relay(
    needs,
    { service, request, reply },
    {
      child: launchBounded('git', args, { env, dataBytes: GIT_DATA_BYTES }),
      body: Readable.from([]),
      app,
      answer: 'advertisement',
      lead: `${packet(`# service=${service}\n`)}0000`,
    },
  )
  return undefined
}

async function serve(needs: GitNeeds, exchange: Exchange): Promise<void> {
  const { service, request, reply } = exchange
  const by = await pass(needs, request, service)
  const over = needs.sessions.open(by.actor, () => request.raw.destroy())
  reply.raw.once('close', over)
  if (service === 'git-receive-pack') await needs.repositories.mustHaveRoom(by.app.name)
  const repository = needs.repositories.pathOf(by.app.name)
  const { body, forget } = await bodyFor(service, { request, repository })
  // Whoever has left while a shallow push was taken in leaves nothing behind.
  if (reply.raw.destroyed) return forget()
  const { ticket, done } = needs.hooks.issue(by)
  reply.raw.once('close', () => {
    done()
    void forget()
  })
  const env = { ...GIT_ENVIRONMENT, ...protocolOf(request), LOCKGATE_HOOK_SOCKET: needs.hooks.path, LOCKGATE_PUSH_TICKET: ticket }
  relay(needs, exchange, {
    child: launchBounded('git', [service.slice(4), '--stateless-rpc', repository], { env, dataBytes: GIT_DATA_BYTES }),
    body,
    app: by.app,
    answer: 'result',
    lead: '',
  })
}

interface Exchange {
  readonly service: string
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

interface Body {
  readonly body: Readable
  /** To be called when it was read. */
  readonly forget: () => Promise<void>
}

/** What git is given of a request; of a push out of a shallow clone what is left to do. */
async function bodyFor(service: string, { request, repository }: { readonly request: FastifyRequest; readonly repository: string }): Promise<Body> {
  const given = bodyOf(request)
  try {
    // Looked at for fetches too: what cannot be unzipped is refused before an answer has begun.
    const isShallow = await isShallowPush(given)
    if (!isShallow || service !== 'git-receive-pack') return { body: given, forget: async () => undefined }
    return await takeInShallow(given, { repository, env: GIT_ENVIRONMENT, maxBytes: LARGEST_PUSH_BYTES })
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      throw new InvalidError('push.not_understood', 'This request says that it is gzip, and cannot be unzipped.', { cause: error })
    throw error
  }
}

/** The body as git sent it, unzipped. An end on either side is an end on the other. Throws InvalidError `request.invalid`. */
function bodyOf(request: FastifyRequest): Readable {
  const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (coding === 'identity') return request.raw
  // RFC 9110, 8.4.1.3: they are the same.
  if (coding !== 'gzip' && coding !== 'x-gzip')
    throw new InvalidError('request.invalid', `git sends gzip or nothing, and not the Content-Encoding "${coding.slice(0, 100)}".`)
  return pipeline(request.raw, createGunzip(), () => undefined)
}

interface Relayed {
  readonly child: ChildProcess
  readonly body: Readable
  readonly app: App
  /** What the answer is called in its type. */
  readonly answer: 'advertisement' | 'result'
  /** What comes before the words of git. */
  readonly lead: string
}

/** Between the pusher and git, until one of them ends. */
function relay(needs: GitNeeds, { service, reply }: Exchange, git: Relayed): void {
  const { child, body, app, answer, lead } = git
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': `application/x-${service}-${answer}`, 'cache-control': 'no-store' })
  if (lead !== '') reply.raw.write(lead)
  // A pusher that leaves ends git and its hook; a deployment that was opened goes on, it is not theirs.
  child.stdin?.on('error', () => undefined)
  if (child.stdin) pipeline(body, child.stdin, (error) => error && child.kill('SIGTERM'))
  child.stdout?.pipe(reply.raw, { end: false })
  const complaint = lastWords(child.stderr)
  reply.raw.on('close', () => child.exitCode === null && child.kill('SIGTERM'))
  child.on('error', () => reply.raw.destroy())
  child.on('close', (code, signal) => {
    // An answer that is not whole must not look whole: git would wait for the rest of it for ever.
    if (code === 0) return reply.raw.end()
    if (!reply.raw.destroyed) needs.context.log.warn('git ended badly', { service, app: app.name, code, signal, said: complaint() })
    return reply.raw.destroy()
  })
}

/** The end of what a program says on standard error. */
function lastWords(stream: NodeJS.ReadableStream | null): () => string {
  let said = ''
  stream?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-1_000)
  })
  return () => said
}

function protocolOf(request: FastifyRequest): Record<string, string> {
  const version = request.headers['git-protocol']
  return typeof version === 'string' && /^[a-z0-9=:.-]{1,60}$/.test(version) ? { GIT_PROTOCOL: version } : {}
}
