import type { FastifyRequest } from 'fastify'
import { type Actor, PLATFORM } from '../core/actor/actor.ts'
import { mustBeAllowed } from '../core/actor/may.ts'
import { authenticate } from '../core/actor/token.ts'
import type { App, AppName } from '../core/app/app.ts'
import { findApp } from '../core/app/remove.ts'
import type { Context } from '../core/context.ts'
import { findEnvironment } from '../core/environment/create.ts'
import type { Environment } from '../core/environment/environment.ts'
import { UnauthenticatedError } from '../lib/errors.ts'
import type { Endpoint } from './contract/endpoint.ts'

/** What the door found: who asks, and the objects the path names, loaded within the asker's scope. */
export interface Passed {
  readonly actor: Actor
  readonly app: App | null
  readonly environment: Environment | null
}

const NOBODY: Actor = { ...PLATFORM, id: null, name: 'nobody', role: 'viewer' }

/** Who asks, known before anything of the request is read: a stranger learns nothing of a route, not even what it takes. */
export async function recognise(context: Pick<Context, 'store' | 'clock'>, endpoint: Endpoint, request: FastifyRequest): Promise<Actor> {
  if (endpoint.permission === 'public') return NOBODY
  const actor = await authenticate(context, bearerOf(request, { basic: false }))
  mustBeAllowed(actor, endpoint.permission)
  return actor
}

/** What the asker's request is about, and whether it is allowed there: every request passes here before its handler. */
export async function passDoor(
  context: Pick<Context, 'store'>,
  endpoint: Endpoint,
  asked: { readonly actor: Actor; readonly request: FastifyRequest },
): Promise<Passed> {
  const { actor, request } = asked
  if (endpoint.permission === 'public') return { actor, app: null, environment: null }
  const params = request.params as Partial<Record<string, string>>
  const { read } = context.store
  const scope = { projectId: actor.projectId }
  const app = params['app'] === undefined ? null : await findApp(read, scope, params['app'] as AppName)
  const environment = app === null || params['environment'] === undefined ? null : await findEnvironment(read, app, params['environment'])
  mustBeAllowed(actor, endpoint.permission, environment ?? undefined)
  return { actor, app, environment }
}

/** The token of a request: `Authorization: Bearer`; with `basic` also the password of Basic, for git, which can send nothing else. */
export function bearerOf(request: FastifyRequest, how: { readonly basic: boolean }): string {
  const header = request.headers.authorization ?? ''
  // The name of a scheme has no case (RFC 9110, 11.1).
  const [, scheme = '', rest = ''] = /^(\S+) +(\S.*)$/.exec(header) ?? []
  if (scheme.toLowerCase() === 'bearer') return rest.trim()
  if (how.basic && scheme.toLowerCase() === 'basic') {
    const [, password] = /^[^:]*:([\s\S]*)$/.exec(Buffer.from(rest, 'base64').toString()) ?? []
    if (password !== undefined && password !== '') return password
  }
  throw new UnauthenticatedError('actor.no_token', 'No token came with this request. Sign in with "lockgate login".')
}
