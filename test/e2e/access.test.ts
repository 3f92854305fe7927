import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Endpoint } from '../../src/api/contract/endpoint.ts'
import { type EndpointName, endpoints } from '../../src/api/contract/endpoints.ts'
import { assertGuarded } from '../../src/api/server.ts'
import type { Role } from '../../src/core/actor/actor.ts'
import { may } from '../../src/core/actor/may.ts'
import { ALL_ROUTES, type Asked, askAs, BODIES, pathOf } from '../support/asking.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person
/** A secret of each kind of asker. */
const tokens: Record<string, string> = {}
const ids: Record<string, string> = {}

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.217.0.0/16' })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  const folder = await ada.repository('shop', { example: 'static-hello' })
  await well(ada.lockgate(['create', 'shop'], { cwd: folder }))
  await well(ada.git(folder, 'push', 'lockgate', 'main'))
  await well(ada.lockgate(['run', 'shop', '--', 'node', '--version']))
  await lockgate.call(endpoints.createProject, { body: { name: 'other' as never } })
  for (const role of ['viewer', 'developer', 'releaser'] as const)
    tokens[role] = (await lockgate.call(endpoints.createToken, { body: { name: role, role } })).secret
  tokens['foreign'] = (await lockgate.call(endpoints.createToken, { body: { name: 'foreign', role: 'admin', project: 'other' } })).secret
  const expired = await lockgate.call(endpoints.createToken, { body: { name: 'expired', role: 'admin', days: 1 } })
  const revoked = await lockgate.call(endpoints.createToken, { body: { name: 'revoked', role: 'admin' } })
  await lockgate.call(endpoints.revokeToken, { params: { id: revoked.token.id } })
  const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'))
  database.prepare('update token set expires_at = 1 where id = ?').run(expired.token.id)
  const first = (table: string) => String(database.prepare(`select id from ${table} limit 1`).get()?.['id'])
  for (const table of ['deployment', 'build', 'one_off', "token where name = 'admin'"]) ids[table.split(' ')[0] ?? ''] = first(table)
  database.close()
  Object.assign(tokens, { expired: expired.secret, revoked: revoked.secret, wrong: 'lgt_thisTokenWasNeverMade0000' })
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

/** Asks a route as somebody. */
function asking(endpoint: Endpoint, token: string | null, input: { readonly path?: string; readonly body?: unknown } = {}): Promise<Asked> {
  return askAs(token, { url: lockgate.apiUrl, method: endpoint.method, path: endpoint.path, ...input })
}

const ALL = ALL_ROUTES
const GUARDED = ALL.filter(([, endpoint]) => endpoint.permission !== 'public')
const given = (name: EndpointName, endpoint: Endpoint) => ({
  path: pathOf(endpoint.path, { app: 'shop', environment: 'production', ids }) + (name === 'removeDomain' ? '?host=shop.localhost' : ''),
  ...(BODIES[name] === undefined ? {} : { body: BODIES[name] }),
})

describe('every route', () => {
  test.each(GUARDED)('%s: wants a token that is good', async (name, endpoint) => {
    for (const [token, code] of [
      [null, 'actor.no_token'],
      [tokens['wrong'] ?? '', 'actor.unknown_token'],
      [tokens['expired'] ?? '', 'actor.token_expired'],
      [tokens['revoked'] ?? '', 'actor.token_revoked'],
    ] as const) {
      const { status, problem } = await asking(endpoint, token, given(name, endpoint))
      expect({ status, code: problem?.code }).toEqual({ status: 401, code })
      expect(problem).toMatchObject({ type: `urn:lockgate:error:${code}`, title: 'Not signed in', detail: expect.stringMatching(/lockgate login/) })
    }
    // Also before it looks at what was sent.
    expect((await asking(endpoint, null, { ...given(name, endpoint), ...(endpoint.body ? { body: { nonsense: true } } : {}) })).status).toBe(401)
  })

  test.each(GUARDED)('%s: a role that may not is told so', async (name, endpoint) => {
    for (const role of ['viewer', 'developer', 'releaser'] satisfies Role[]) {
      const permission = endpoint.permission as Exclude<Endpoint['permission'], 'public'>
      // What a path does not name its environment of is looked up: all of it is production's here.
      const isOperation = permission === 'environment.operate' || endpoint.path.includes(':environment')
      const holder = { kind: 'token', id: 'k-1', name: role, role, projectId: null } as const
      const allowed = may(holder, permission, isOperation ? { name: 'production' as never } : undefined)
      if (allowed && endpoint.method !== 'GET') continue
      const { status, problem } = await asking(endpoint, tokens[role] ?? '', given(name, endpoint))
      // The code of the app is pushed: that is what this route says.
      if (allowed) expect(name === 'readSource' ? problem?.code : status, `${role}: ${problem?.detail}`).toBe(name === 'readSource' ? 'source.none' : 200)
      else expect({ role, status, code: problem?.code }).toEqual({ role, status: 403, code: 'actor.may_not' })
    }
  })

  // Registries are of the whole installation.
  test.each(GUARDED.filter(([name, endpoint]) => endpoint.path.includes('/:') && name !== 'removeRegistry'))(
    '%s: what belongs to another project is not there',
    async (name, endpoint) => {
      const { status, problem } = await asking(endpoint, tokens['foreign'] ?? '', given(name, endpoint))

      expect(status).toBe(404)
      expect(problem?.code).toMatch(/^(app|deployment|build|one_off|token)\.not_found$/)
    },
  )

  test.each(GUARDED.filter(([, endpoint]) => endpoint.path.includes(':id')))('%s: an id that is not there is 404', async (_name, endpoint) => {
    const { status, problem } = await asking(endpoint, lockgate.token, { path: endpoint.path.replace(':id', 'x-nothing') })

    expect(status).toBe(404)
    expect(problem?.type).toMatch(/not_found$/)
  })

  test('lists show a project only its own', async () => {
    const all = async (endpoint: Endpoint, path: string) =>
      JSON.stringify(await (await fetch(`${lockgate.apiUrl}${path}`, { headers: { authorization: `Bearer ${tokens['foreign']}` } })).json()) + endpoint.summary

    expect(await all(endpoints.listApps, '/v1/apps')).not.toContain('shop')
    expect(await all(endpoints.listEvents, '/v1/events?limit=1000')).not.toContain('shop')
    expect(await all(endpoints.listTokens, '/v1/tokens')).not.toContain('viewer"')
    expect(await all(endpoints.listEvents, '/v1/events?limit=1000&app=shop')).toContain('[]')
  })

  test('a project admin cannot leave the project, nor anybody give more than they are', async () => {
    const foreign = await aPerson(lockgate.apiUrl, tokens['foreign'] ?? '')
    try {
      expect((await foreign.lockgate(['create', 'shop'])).stderr).toContain('[app.name_taken]')
      expect((await foreign.lockgate(['create', 'mine', '--project', 'default'])).stderr).toContain('[project.not_found]')
      expect((await foreign.lockgate(['token', 'create', 'more', '--project', 'default'])).stderr).toContain('[project.not_found]')
      await well(foreign.lockgate(['create', 'mine']))
      expect((await foreign.lockgate(['domain', 'add', 'mine', 'shop.localhost'])).stderr).toContain('[domain.reserved]')
      expect((await foreign.lockgate(['apps'])).stdout).toMatch(/mine +production/)
    } finally {
      await foreign.leave()
    }
    const { status, problem } = await asking(endpoints.createToken, lockgate.token, { path: '/v1/tokens', body: { name: 'x', role: 'viewer', days: 0 } })
    expect({ status, code: problem?.code }).toEqual({ status: 422, code: 'token.invalid_days' })
  })

  test('a route that names no permission stops the server from starting', () => {
    expect(() => assertGuarded('open', {})).toThrow('The route open names no permission; Lockgate does not start like that.')
    expect(() => assertGuarded('odd', { permission: 'toString' })).toThrow(/names no permission/)
    for (const [name, endpoint] of ALL) expect(() => assertGuarded(name, endpoint)).not.toThrow()
    expect(ALL.filter(([, endpoint]) => endpoint.permission === 'public').map(([name]) => name)).toEqual(['health', 'signIn'])
  })

  test('what is not there, too large, not JSON or not known is a problem document', async () => {
    const post = (body: string, type = 'application/json') =>
      fetch(`${lockgate.apiUrl}/v1/apps`, { method: 'POST', body, headers: { authorization: `Bearer ${lockgate.token}`, 'content-type': type } })

    for (const [response, status, code] of [
      [await fetch(`${lockgate.apiUrl}/v1/nothing`), 404, 'route.not_found'],
      [await post('{"name":'), 422, 'request.invalid'],
      [await post('[]'), 422, 'request.invalid'],
      [await post('{"name":"good","extra":1}'), 422, 'request.invalid'],
      [await post(JSON.stringify({ name: 'x'.repeat(2_000_000) })), 422, 'request.too_large'],
      [await post('<x/>', 'text/xml'), 422, 'request.invalid'],
    ] as const) {
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/)
      expect(response.headers.get('x-request-id')).toBeTruthy()
      expect(await response.json()).toMatchObject({ status, code })
      expect(response.status).toBe(status)
    }
  })
})

describe('signing in', () => {
  const signIn = (code: string) => asking(endpoints.signIn, null, { body: { code } })
  const path = () => join(lockgate.directory, 'data', 'sign-in-code')

  test('a code is good once, and only its file has it', async () => {
    const used = (await readFile(path(), 'utf8')).trim()
    expect(await signIn(used)).toMatchObject({ status: 401, problem: { code: 'actor.wrong_code' } })
    process.kill(lockgate.pid(), 'SIGUSR2')
    await until('there is a new one', async () => (await readFile(path(), 'utf8')).trim() !== used)
    const fresh = (await readFile(path(), 'utf8')).trim()

    const first = await signIn(fresh.toUpperCase())
    const second = await signIn(fresh)

    expect(first.status).toBe(200)
    expect(second).toMatchObject({ status: 401, problem: { code: 'actor.wrong_code', detail: expect.stringContaining('bin/up --new-code') } })
    expect((await stat(path())).mode & 0o777).toBe(0o600)
    expect(lockgate.log()).not.toContain(fresh)
  })

  test('guessing is slowed down', async () => {
    const answers: Asked[] = []
    for (let tries = 0; tries < 12; tries++) answers.push(await signIn(`aaaa-bbbb-${tries}`))

    expect(answers.at(-1)).toMatchObject({ status: 503, problem: { code: 'request.too_many' } })
  })

  test('tokens are kept as hashes, shown once, listed without their secret, and worthless after they are revoked', async () => {
    const made = await well(ada.lockgate(['token', 'create', 'ci', '--role', 'releaser', '--days', '7']))
    const secret = made.stdout.split('\n')[0] ?? ''
    const person = await aPerson(lockgate.apiUrl, secret)
    const listed = await well(ada.lockgate(['token', 'list']))
    const id = /(k-\w+) +ci /.exec(listed.stdout)?.[1] ?? ''

    expect(secret).toMatch(/^lgt_[A-Za-z0-9_-]{27}$/)
    expect(listed.stdout).toMatch(/ci +releaser +all +in [67] d/)
    expect(listed.stdout).not.toContain(secret)
    expect((await readFile(join(lockgate.directory, 'data', 'lockgate.db'))).includes(secret)).toBe(false)
    expect((await stat(join(person.home, '.config/lockgate/accounts.json'))).mode & 0o777).toBe(0o600)
    expect((await person.lockgate(['apps'])).status).toBe(0)
    await well(ada.lockgate(['token', 'revoke', id]))
    const after = await person.lockgate(['apps'])
    expect(after.status).toBe(3)
    expect(after.stderr).toContain('[actor.token_revoked]')
    await well(person.lockgate(['logout'], { env: { LOCKGATE_URL: '' } }))
    await person.leave()
  })
})

describe('names', () => {
  const CHARACTERS = /letter, holds only a-z, 0-9 and "-"|an environment name is like an app name/
  test.each([
    ['', CHARACTERS],
    ['Shop', CHARACTERS],
    ['my_shop', CHARACTERS],
    ['my shop', CHARACTERS],
    ['-shop', CHARACTERS],
    ['shop-', CHARACTERS],
    ['9shop', CHARACTERS],
    ['shöp', CHARACTERS],
    ['shop\n', CHARACTERS],
    ['../shop', CHARACTERS],
    ['$(id)', CHARACTERS],
    ['a'.repeat(40), CHARACTERS],
    ['a'.repeat(300), CHARACTERS],
    ['a'.repeat(301), /Too big|at most 39|<=300/],
    ['a--b', /"--" separates an app from its environment/],
    ['localhost', /Lockgate keeps this name for itself/],
    ['api', /Lockgate keeps this name for itself/],
    ['production', /Lockgate keeps this name for itself/],
  ])('an app cannot be called %j', async (name, sentence) => {
    const { status, problem } = await asking(endpoints.createApp, lockgate.token, { body: { name } })

    expect({ status, code: problem?.code }).toEqual({ status: 422, code: 'request.invalid' })
    expect(problem?.detail).toMatch(/^body\.name: /)
    expect(problem?.detail).toMatch(sentence)
    const said = await ada.lockgate(['create', '--', name])
    expect(said.status).toBe(2)
  })

  test.each([
    ['environments', { name: 'Prod', branch: 'main' }, /an environment name is like an app name/],
    ['environments', { name: 'x'.repeat(21), branch: 'x' }, /at most 20 characters/],
    ['environments', { name: 'ok', branch: '-x' }, /a name that git allows, or a pattern/],
    ['environments/production/domains', { host: 'exa mple.test' }, /a hostname has only/],
    ['environments/production/domains', { host: 'EXAMPLE.test' }, /a hostname has only/],
    ['environments/production/domains', { host: `${'a'.repeat(64)}.test` }, /a hostname has only/],
    ['environments/production/domains', { host: `${'a.'.repeat(150)}test` }, /at most 253 characters/],
    ['environments/production/domains', { host: 'x.test"\nuse_backend evil' }, /a hostname has only/],
    ['environments/production/domains', { host: 'x.test', path: '/a/' }, /a path prefix is/],
    ['environments/production/domains', { host: 'x.test', path: '/../etc' }, /a path prefix is/],
  ])('%s %j is refused', async (where, body, sentence) => {
    const { status, problem } = await asking(endpoints.addDomain, lockgate.token, { path: `/v1/apps/shop/${where}`, body })

    expect(status).toBe(422)
    expect(problem?.detail).toMatch(sentence)
  })

  test('taken names are a conflict', async () => {
    expect(await asking(endpoints.createApp, lockgate.token, { body: { name: 'shop' } })).toMatchObject({ status: 409, problem: { code: 'app.name_taken' } })
    const add = (body: unknown) => asking(endpoints.addEnvironment, lockgate.token, { path: '/v1/apps/shop/environments', body })
    expect(await add({ name: 'production', branch: 'x' })).toMatchObject({ status: 409, problem: { code: 'environment.name_taken' } })
    expect(await add({ name: 'staging', branch: 'main' })).toMatchObject({ status: 409, problem: { code: 'environment.branch_taken' } })
    expect(await asking(endpoints.createProject, lockgate.token, { body: { name: 'other' } })).toMatchObject({ status: 409 })
  })
})

describe('the command line', () => {
  test.each([
    [['apps'], 0, /shop +production +running/],
    [['--version'], 0, /^\d+\.\d+\.\d+/],
    [['--help'], 0, /Exit status: 0 it was done/],
    [['status', 'shop'], 0, /instances +1 of 1 ready/],
    [['nonsense'], 2, /unknown command/],
    [['scale', 'shop', 'many'], 2, /How many instances\?/],
    [['rollback', 'shop', '--to', 'yesterday'], 2, /is not a release such as r12/],
    [['status', 'Not A Name'], 2, /is not the name of an app/],
    [['status'], 2, /Which app\?/],
    [['status', 'nowhere'], 4, /There is no app nowhere\..*\[app\.not_found\]/],
    [['follow', 'd-nothing'], 4, /\[deployment\.not_found\]/],
    [['rollback', 'shop'], 5, /\[deployment\.no_rollback_target\]/],
    [['create', 'shop'], 5, /\[app\.name_taken\]/],
    [['doctor'], 0, /Everything is fine\./],
    [['events', '-n', '500'], 0, /push\.received/],
    [['builds', 'shop'], 0, /succeeded/],
    [['releases', 'shop'], 0, /r1 .*live/],
    [['deployments', 'shop'], 0, /deploy +r1 +succeeded/],
    [['logs', 'shop'], 0, /web\.0 \(set 1\)/],
    [['open', 'shop'], 0, /^http:\/\/shop\.localhost:\d+\/$/m],
    [['plan', 'shop'], 0, /Nothing was changed\./],
  ] as const)('%j exits with %i', async (args, status, sentence) => {
    const said = await ada.lockgate([...args])

    expect(said.status, said.all).toBe(status)
    expect(said.all).toMatch(sentence)
  })

  test('without a token it says how to get one, and without a server where it looked', async () => {
    const nobody = await aPerson(lockgate.apiUrl, null)

    const unknown = await nobody.lockgate(['apps'])
    const unreachable = await nobody.lockgate(['apps'], { env: { LOCKGATE_URL: 'http://127.0.0.1:1' } })
    const byVariable = await nobody.lockgate(['apps'], { env: { LOCKGATE_TOKEN: tokens['viewer'] ?? '' } })
    const mayNot = await nobody.lockgate(['restart', 'shop'], { env: { LOCKGATE_TOKEN: tokens['viewer'] ?? '' } })

    expect(unknown).toMatchObject({ status: 3, stderr: expect.stringContaining('lockgate login') })
    expect(unreachable).toMatchObject({ status: 6, stderr: expect.stringContaining('http://127.0.0.1:1 does not answer') })
    expect(byVariable.status).toBe(0)
    expect(mayNot).toMatchObject({ status: 3, stderr: expect.stringContaining('viewer (viewer) may not') })
    await nobody.leave()
  })

  test('--json gives the API answer, and errors as problem documents', async () => {
    for (const args of [
      ['apps'],
      ['status', 'shop'],
      ['deployments', 'shop'],
      ['builds', 'shop'],
      ['releases', 'shop'],
      ['events'],
      ['doctor'],
      ['token', 'list'],
      ['config', 'get', '-a', 'shop'],
      ['config', 'history', '-a', 'shop'],
      ['plan', 'shop'],
    ]) {
      const said = await ada.lockgate([...args, '--json'])
      expect(said.status, args.join(' ')).toBe(0)
      expect(() => JSON.parse(said.stdout), args.join(' ')).not.toThrow()
      expect(said.stderr).toBe('')
    }
    const wrong = await ada.lockgate(['status', 'nowhere', '--json'])
    expect(wrong.stdout).toBe('')
    expect(JSON.parse(wrong.stderr)).toMatchObject({ code: 'app.not_found', status: 404 })
    const lines = (await ada.lockgate(['logs', 'shop', '--json'])).stdout.trim().split('\n')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ seq: expect.any(Number), text: expect.any(String) })
  })

  test('follow shows a build from its first line, and its end is the exit status', async () => {
    const good = await ada.lockgate(['follow', ids['build'] ?? ''])
    const bad = await testImage(lockgate.boxes, 'exits')
    const failed = await ada.lockgate(['deploy', 'shop', '--image', bad])
    const id = /d-\w+/.exec(failed.stdout)?.[0] ?? ''
    const followed = await ada.lockgate(['follow', id])

    expect(good.status).toBe(0)
    expect(good.stdout).toMatch(/^build b-\w+\n {2}Building as static: .*\n[\s\S]*✓ check[\s\S]*deploy d-\w+ succeeded in [\d.]+ s: r1 \(main@\w{7}\)\n$/)
    for (const said of [failed, followed]) {
      expect(said.status).toBe(1)
      expect(said.stdout).toMatch(/deploy d-\w+ failed in [\d.]+ s: web\.0 \(set \d+\) ended with exit code 3 before it was ready/)
      expect(said.stdout).toMatch(/exit code: 3\n {2}its last log line:\n {2}\| cannot start/)
    }
  })

  test('columns stand below each other', async () => {
    const lines = (await ada.lockgate(['deployments', 'shop'])).stdout.trimEnd().split('\n')

    const at = (lines[0] ?? '').indexOf('STATUS')
    expect(lines.length).toBeGreaterThan(2)
    for (const line of lines.slice(1)) expect(line.slice(at)).toMatch(/^(succeeded|failed)/)
  })
})

describe('the record', () => {
  test('events say who did what, each chained to the one before; a change of the past is found', async () => {
    const events = await lockgate.call(endpoints.listEvents, { query: { limit: 1000 } })
    const kinds = new Set(events.map((event) => event.kind))
    for (const kind of [
      'app.created',
      'environment.created',
      'push.received',
      'build.succeeded',
      'deployment.succeeded',
      'branch.moved',
      'token.created',
      'token.revoked',
      'one_off.opened',
    ])
      expect(kinds, kind).toContain(kind)
    expect(events.map((event) => event.seq)).toEqual(events.map((_, at) => (events[0]?.seq ?? 0) + at))
    expect(events.find((event) => event.kind === 'push.received')).toMatchObject({ actor: { kind: 'token', name: 'admin' }, app: 'shop' })
    const chain = async () => (await lockgate.call(endpoints.doctor, {})).find((check) => check.name === 'I7')
    expect(await chain()).toMatchObject({ ok: true })
    const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'))
    const { actor } = database.prepare('select actor from event where seq = 3').get() as { actor: string }
    database.prepare('update event set actor = ? where seq = 3').run('{"kind":"token","id":null,"name":"somebody else"}')
    expect(await chain()).toMatchObject({ ok: false, sentence: expect.stringContaining('event 3 was changed') })
    database.prepare('update event set actor = ? where seq = 3').run(actor)
    database.close()
    expect(await chain()).toMatchObject({ ok: true })
  })

  test('a stream goes on after the number it is given', async () => {
    const read = async (path: string, last: number, lines: number): Promise<number[]> => {
      const stop = new AbortController()
      const response = await fetch(`${lockgate.apiUrl}${path}`, {
        signal: stop.signal,
        headers: { authorization: `Bearer ${lockgate.token}`, 'last-event-id': String(last) },
      })
      let text = ''
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk
        if (text.includes('event: end') || [...text.matchAll(/^id: /gm)].length >= lines) break
      }
      stop.abort()
      return [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))
    }

    expect((await read('/v1/events/stream', 5, 3)).slice(0, 3)).toEqual([6, 7, 8])
    const log = await read(`/v1/builds/${ids['build']}/log/stream`, 0, 1_000)
    expect(await read(`/v1/builds/${ids['build']}/log/stream`, log[0] ?? 0, 1_000)).toEqual(log.slice(1))
  })
})

test('the OpenAPI document names every route, and everything it refers to is in it', async () => {
  type Operation = {
    operationId: string
    summary: string
    security?: unknown[]
    parameters?: { name: string; in: string }[]
    requestBody?: unknown
    responses: Record<string, unknown>
  }
  const document = (await (await fetch(`${lockgate.apiUrl}/openapi.json`)).json()) as {
    openapi: string
    info: { title: string; version: string }
    paths: Record<string, Record<string, Operation>>
    components: Record<string, Record<string, unknown>>
  }

  expect(document.openapi).toMatch(/^3\.1\./)
  expect(document.info).toMatchObject({ title: 'Lockgate', version: expect.stringMatching(/^\d+\./) })
  for (const [name, endpoint] of ALL) {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}')
    const operation = document.paths[path]?.[endpoint.method.toLowerCase()]
    expect(operation, `${endpoint.method} ${path}`).toMatchObject({ operationId: name, summary: endpoint.summary })
    expect(operation?.security !== undefined, name).toBe(endpoint.permission !== 'public')
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
    expect(operation?.parameters?.filter((one) => one.in === 'path').map((one) => one.name) ?? []).toEqual(named)
    expect(operation?.requestBody !== undefined, name).toBe(endpoint.body !== undefined)
    expect(Object.keys(operation?.responses ?? {}).length, name).toBeGreaterThan(0)
  }
  const text = JSON.stringify(document)
  for (const [, section = '', name = ''] of text.matchAll(/"\$ref":"#\/components\/(\w+)\/([\w.-]+)"/g))
    expect(document.components[section]?.[name], name).toBeDefined()
  const served = Object.values(document.paths).flatMap((path) => Object.keys(path))
  expect(served).toHaveLength(ALL.length)
  const schema = (await (await fetch(`${lockgate.apiUrl}/lockgate.schema.json`)).json()) as { properties: Record<string, unknown> }
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['build', 'port', 'health', 'limits', 'release_command', 'strategy']))
})
