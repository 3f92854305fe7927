// Requests to any route as any caller, with bodies that pass the schema and change nothing.
import type { Endpoint } from '../../src/api/contract/endpoint.ts'
import { type EndpointName, endpoints } from '../../src/api/contract/endpoints.ts'

/** What an error says over HTTP. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly type: string
  readonly title: string
}

export interface Asked {
  readonly status: number
  readonly type: string
  readonly problem: Problem | null
}

/** What a request is about; `url` is where the API answers. */
export interface Asking {
  readonly url: string
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** Bytes instead of JSON, with their media type. */
  readonly bytes?: { readonly type: string; readonly data: string }
}

/** Asks as the holder of a token; null: without one. The body of a stream is not waited for. */
export async function askAs(token: string | null, { url, method, path, body, bytes }: Asking): Promise<Asked> {
  const stop = new AbortController()
  const type = bytes?.type ?? (body === undefined ? null : 'application/json')
  const sent = bytes?.data ?? (body === undefined ? null : JSON.stringify(body))
  const response = await fetch(`${url}${path}`, {
    method,
    signal: stop.signal,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...(type === null ? {} : { 'content-type': type }) },
    ...(sent === null ? {} : { body: sent }),
  })
  const answered = response.headers.get('content-type') ?? ''
  const problem = answered.startsWith('application/problem+json') ? ((await response.json()) as Problem) : null
  stop.abort()
  return { status: response.status, type: answered, problem }
}

/** What the parameters of a path stand for; `ids` by table: deployment, build, one_off, token. */
export interface Things {
  readonly app: string
  readonly environment: string
  readonly ids: Readonly<Record<string, string>>
}

/** The path of a route with things that are there. */
export function pathOf(path: string, { app, environment, ids }: Things): string {
  const table = { deployments: 'deployment', builds: 'build', 'one-offs': 'one_off', tokens: 'token' }[path.split('/')[2] ?? ''] ?? ''
  return path
    .replace(':app', app)
    .replace(':environment', environment)
    .replace(':id', ids[table] ?? '')
}

/** Bodies that pass the schema and change nothing: what they name is refused or already so. */
export const BODIES: Partial<Record<EndpointName, unknown>> = {
  signIn: { code: 'none-such-code' },
  createToken: { name: 'x', role: 'viewer', days: 0 },
  createProject: { name: 'other' },
  createApp: { name: 'shop' },
  addEnvironment: { name: 'production', branch: 'main' },
  addDomain: { host: 'shop.localhost' },
  openDeployment: { verb: 'restart', plan: true },
  changeConfig: { unset: ['NOT_THERE'] },
  runOneOff: { command: ['true'] },
  changeApp: {},
  changeEnvironment: {},
  promote: { from: 'production' },
  revokeSecret: { key: 'NOT_THERE', version: 1 },
  setSource: { url: 'https://203.0.113.1/x.git' },
  setRegistry: { host: 'registry.example.net', username: 'ada', password: '' },
}

export const ALL_ROUTES = Object.entries(endpoints) as [EndpointName, Endpoint][]
