import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Endpoint } from '../../src/api/contract/endpoint.ts'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { mustBeAllowed } from '../../src/core/actor/may.ts'
import { RESERVED_NAMES } from '../../src/core/app/app.ts'
import { freePort } from '../support/haproxy.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'

let lockgate: Installation
let ada: Person
/** The secrets of tokens, by what they are. */
const tokens: Record<string, string> = {}
/** Ids of one thing of each kind, by the word in its path. */
const ids: Record<string, string> = {}

const here = { params: { app: 'shop', environment: 'production' } as never }

async function newToken(name: string, body: object): Promise<{ readonly id: string; readonly secret: string }> {
  const { secret, token } = await lockgate.call(endpoints.createToken, { body: { name, ...body } as never })
  tokens[name] = secret
  return { id: token.id, secret }
}

beforeAll(async () => {
  lockgate = await anInstallation({
    range: '127.79.0.0/16',
    settings: { runtime: { driver: 'fake' }, edge: { driver: 'fake', config: { httpPort: await freePort() } }, builder: { driver: 'fake' } },
  })
  tokens['admin'] = lockgate.token
  await lockgate.create('shop')
  ids['deployments'] = (await lockgate.deploy('shop', { verb: 'deploy', image: 'fake:good' })).deployment.id
  ids['one-offs'] = (await lockgate.call(endpoints.runOneOff, { ...here, body: { command: ['echo', 'hello'] } })).id
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  const folder = await ada.repository('code', { files: { 'index.html': '<h1>hello</h1>' } })
  await well(ada.lockgate(['create', 'code'], { cwd: folder }))
  await well(ada.git(folder, 'push', 'lockgate', 'main'))
  ids['builds'] = (await lockgate.call(endpoints.listBuilds, { params: { app: 'code', environment: 'production' } as never }))[0]?.id ?? ''
  await lockgate.call(endpoints.createProject, { body: { name: 'other' as never } })
  await newToken('viewer', { role: 'viewer' })
  await newToken('developer', { role: 'developer' })
  await newToken('foreign', { role: 'admin', project: 'other' })
  const revoked = await newToken('revoked', { role: 'admin' })
  ids['tokens'] = revoked.id
  await lockgate.call(endpoints.revokeToken, { params: { id: revoked.id } })
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

interface Asking {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: { readonly code: string; readonly detail: string } & Readonly<Record<string, unknown>>
}

/** Asks without our client, as anybody may. */
async function ask(method: string, path: string, asking: Asking = {}): Promise<Answered> {
  const answer = await fetch(lockgate.apiUrl + path, {
    method,
    headers: {
      ...(asking.token === undefined ? {} : { authorization: `Bearer ${asking.token}` }),
      ...(asking.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...asking.headers,
    },
    ...(asking.body === undefined ? {} : { body: typeof asking.body === 'string' ? asking.body : JSON.stringify(asking.body) }),
  })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answered['body'] }
}

const TITLES: Readonly<Record<number, string>> = {
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  409: 'Conflict',
  422: 'Invalid input',
  503: 'Not available now',
}

/** An answer is a problem document (RFC 9457). */
function expectProblem(answer: Answered, status: number, code: string): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({
    status,
    body: { type: `urn:lockgate:error:${code}`, title: TITLES[status], status, code, detail: expect.stringMatching(/\S/) },
  })
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  expect(answer.headers.get('x-request-id')).toMatch(/\S/)
}

/** A body each route takes. */
const BODIES: Readonly<Record<string, unknown>> = {
  createToken: { name: 'x', role: 'viewer' },
  createProject: { name: 'x' },
  createApp: { name: 'x' },
  addEnvironment: { name: 'x', branch: 'x' },
  addDomain: { host: 'x.example.net' },
  openDeployment: { verb: 'restart' },
  changeConfig: { set: { A: 'b' } },
  runOneOff: { command: ['true'] },
}

type Names = Readonly<Record<'app' | 'environment' | 'id', string>>

/** The path of a route, with names of real things unless told otherwise. */
function pathOf(name: string, endpoint: Endpoint, names?: Names): string {
  const kind = endpoint.path.split('/')[2] ?? ''
  const real: Names = { app: 'shop', environment: 'production', id: ids[kind] ?? '' }
  const path = endpoint.path.replace(/:(app|environment|id)/g, (_, what: keyof Names) => (names ?? real)[what])
  return name === 'removeDomain' ? `${path}?host=x.example.net` : path
}

const routes = Object.entries(endpoints as Readonly<Record<string, Endpoint>>)
const guarded = routes.flatMap(([name, endpoint]) =>
  endpoint.permission === 'public' ? [] : [{ name, endpoint, permission: endpoint.permission, method: endpoint.method }],
)

function refusedTo(role: 'viewer' | 'developer', permission: (typeof guarded)[number]['permission'], environment?: string): boolean {
  try {
    mustBeAllowed({ kind: 'token', name: role, role, projectId: null }, permission, environment === undefined ? undefined : { name: environment as never })
    return false
  } catch {
    return true
  }
}

describe('the door', () => {
  test.each(guarded)('$name refuses strangers before it reads anything', async ({ name, endpoint, method }) => {
    const path = pathOf(name, endpoint)

    expectProblem(await ask(method, path), 401, 'actor.no_token')
    expectProblem(await ask(method, path, { headers: { authorization: 'Basic eA==' } }), 401, 'actor.no_token')
    expectProblem(await ask(method, path, { token: 'lgt_wrong' }), 401, 'actor.unknown_token')
    expectProblem(await ask(method, path, { token: tokens['revoked'] }), 401, 'actor.token_revoked')
  })

  test.each(guarded.filter(({ permission }) => refusedTo('viewer', permission)))('$name is not for a viewer', async ({ name, endpoint, method }) => {
    const answer = await ask(method, pathOf(name, endpoint), { token: tokens['viewer'], body: BODIES[name] })

    expectProblem(answer, 403, 'actor.may_not')
    expect(answer.body.detail).toContain('viewer (viewer) may not ')
  })

  test.each(
    guarded.filter(({ permission }) => refusedTo('developer', permission, 'production') && ['environment.operate', 'config.write'].includes(permission)),
  )('$name is not for a developer in production', async ({ name, endpoint, method }) => {
    const answer = await ask(method, pathOf(name, endpoint), { token: tokens['developer'], body: BODIES[name] })

    expectProblem(answer, 403, 'actor.may_not')
    expect(answer.body.detail).toContain(' in production.')
  })

  test.each(guarded.filter(({ endpoint }) => endpoint.params))('$name: what belongs to another project is not there', async ({ name, endpoint, method }) => {
    const asking = { token: tokens['foreign'], body: BODIES[name] }
    const real = pathOf(name, endpoint)
    const missing = { app: 'no-such', environment: 'production', id: 'x-no-such' }

    const foreign = await ask(method, real, asking)
    const nowhere = await ask(method, pathOf(name, endpoint, missing), asking)

    expectProblem(foreign, 404, foreign.body.code)
    const neutral = JSON.stringify(foreign.body).replaceAll(/\b(shop|[a-z]-[a-z0-9]{6,})\b/g, '*')
    expect(neutral).toBe(
      JSON.stringify(nowhere.body)
        .replaceAll(/\b(no-such|x-no-such)\b/g, '*')
        .replaceAll('x-*', '*'),
    )
  })

  test('a token of one project sees and makes nothing of another', async () => {
    const token = tokens['foreign']
    const list = async (path: string) => (await ask('GET', path, { token })).body as unknown as readonly { readonly app?: string; readonly name?: string }[]

    expect(await list('/v1/apps')).toEqual([])
    expect((await list('/v1/events?limit=1000')).filter((event) => event.app !== null && event.app !== undefined)).toEqual([])
    expect((await list('/v1/tokens')).map((one) => one.name)).toEqual(['foreign'])
    const theirs = await ask('POST', '/v1/apps', { token, body: { name: 'mine', project: 'default' } })
    const noSuch = await ask('POST', '/v1/apps', { token, body: { name: 'mine', project: 'no-such' } })
    expectProblem(theirs, 404, 'project.not_found')
    expect(theirs.body.detail.replace('default', 'no-such')).toBe(noSuch.body.detail)
    expectProblem(await ask('POST', '/v1/tokens', { token, body: { name: 'wide', role: 'viewer', project: 'default' } }), 404, 'project.not_found')
    expectProblem(await ask('POST', '/v1/projects', { token, body: { name: 'third' } }), 403, 'actor.may_not')
    expect((await ask('POST', '/v1/tokens', { token, body: { name: 'narrow', role: 'viewer' } })).body).toMatchObject({ token: { project: 'other' } })
  })
})

describe('names', () => {
  const rule = 'a name starts with a letter'
  test.each([
    ['Shop', rule],
    ['my_shop', rule],
    ['1shop', rule],
    ['-shop', rule],
    ['shop-', rule],
    ['', rule],
    ['shop\n', rule],
    ['shöp', rule],
    ['店', rule],
    ['../etc', rule],
    ['a/b', rule],
    ['shop.git', rule],
    ['a'.repeat(40), rule],
    ['a'.repeat(300), rule],
    ['my--shop', '"--" separates an app from its environment'],
    ...RESERVED_NAMES.map((name) => [name, 'this name is reserved']),
  ])('%j cannot name an app', async (name, sentence) => {
    const answer = await ask('POST', '/v1/apps', { token: tokens['admin'], body: { name } })

    expectProblem(answer, 422, 'request.invalid')
    expect(answer.body.detail).toContain(`body.name: ${sentence}`)
  })

  test.each([
    '',
    'a b',
    'A.net',
    'a_b.net',
    '-a.net',
    'a-.net',
    'a..net',
    '.net',
    'a.net.',
    'a.net:80',
    'http://a.net',
    'a.*.net',
    '*a.net',
    'ä.net',
    `${'a'.repeat(64)}.net`,
    'a.'.repeat(130),
  ])('%j cannot be a hostname', async (host) => {
    const answer = await ask('POST', '/v1/apps/shop/environments/production/domains', { token: tokens['admin'], body: { host } })

    expectProblem(answer, 422, 'request.invalid')
    expect(answer.body.detail).toMatch(/^body\.host: a hostname has /)
  })

  test('a name and a hostname belong to one app', async () => {
    const token = tokens['admin']
    const domains = (app: string) => `/v1/apps/${app}/environments/production/domains`

    expectProblem(await ask('POST', '/v1/apps', { token, body: { name: 'shop' } }), 409, 'app.name_taken')
    expectProblem(await ask('POST', '/v1/apps', { token: tokens['foreign'], body: { name: 'shop' } }), 409, 'app.name_taken')
    expect((await ask('POST', domains('shop'), { token, body: { host: 'one.example.net' } })).status).toBe(200)
    expect((await ask('POST', domains('shop'), { token, body: { host: 'one.example.net' } })).status).toBe(200)
    const taken = await ask('POST', domains('code'), { token, body: { host: 'one.example.net' } })
    expectProblem(taken, 409, 'domain.taken')
    expect(taken.body.detail).not.toContain('shop')
    expectProblem(await ask('POST', domains('code'), { token, body: { host: 'shop.localhost' } }), 409, 'domain.taken')
    expect((await ask('POST', domains('code'), { token, body: { host: 'one.example.net', path: '/code' } })).status).toBe(200)
  })
})

describe('what cannot be understood', () => {
  test.each([
    ['GET', '/v1/nothing', 404, 'route.not_found'],
    ['PUT', '/v1/apps', 404, 'route.not_found'],
    ['GET', '/v1/apps/%zz', 422, 'request.invalid'],
    ['GET', '/v1/apps/Shop', 422, 'request.invalid'],
    ['GET', '/v1/deployments/..%2f..%2fx', 422, 'request.invalid'],
    ['GET', '/v1/events?limit=none', 422, 'request.invalid'],
    ['GET', `/v1/apps/${'a'.repeat(600)}`, 422, 'request.invalid'],
  ])('%s %.40s', async (...[method, path, status, code]) => {
    expectProblem(await ask(method, path, { token: tokens['admin'] }), status, code)
  })

  test('bodies: too large, not JSON, another kind, unknown keys', async () => {
    const token = tokens['admin']

    expectProblem(await ask('POST', '/v1/apps', { token, body: { name: 'x'.repeat(1024 * 1024) } }), 422, 'request.too_large')
    expectProblem(await ask('POST', '/v1/apps', { token, body: '{"name":' }), 422, 'request.invalid')
    expectProblem(await ask('POST', '/v1/apps', { token, body: '[]' }), 422, 'request.invalid')
    expectProblem(await ask('POST', '/v1/apps', { token }), 422, 'request.invalid')
    expectProblem(
      await ask('POST', '/v1/apps', { token, body: 'name=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
      422,
      'request.invalid',
    )
    expectProblem(await ask('POST', '/v1/apps', { token, body: { name: 'x', owner: 'me' } }), 422, 'request.invalid')
    expectProblem(await ask('POST', '/v1/apps', { token, body: '{"name":"x","__proto__":{"a":1}}' }), 422, 'request.invalid')
  })
})

test('the description of the API is OpenAPI 3.1, with every route and who may use it', async () => {
  const { body } = await ask('GET', '/openapi.json')
  const paths = body['paths'] as Readonly<Record<string, Readonly<Record<string, { readonly security?: unknown; readonly operationId: string }>>>>

  expect(body['openapi']).toMatch(/^3\.1\.\d+$/)
  for (const [name, endpoint] of routes) {
    const operation = paths[endpoint.path.replace(/:(\w+)/g, '{$1}')]?.[endpoint.method.toLowerCase()]
    expect(operation, name).toMatchObject({ operationId: name })
    expect(operation?.security, name).toEqual(endpoint.permission === 'public' ? undefined : [{ token: [] }])
  }
  expect(Object.values(paths).flatMap((path) => Object.keys(path))).toHaveLength(routes.length)
})
