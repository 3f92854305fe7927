// What one project cannot take from another, and what a revoked token cannot go on doing.

import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { type DnsServer, startDns } from '../support/dns.ts'
import { freePort } from '../support/haproxy.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let dns: DnsServer
const tokens: Record<string, string> = {}

beforeAll(async () => {
  dns = await startDns()
  lockgate = await anInstallation({
    range: '127.78.0.0/16',
    settings: {
      runtime: { driver: 'fake' },
      edge: { driver: 'fake', config: { httpPort: await freePort() } },
      builder: { driver: 'fake' },
      domains: { proof: 'txt', resolvers: [dns.address], reserved: ['login.example.org'] },
    },
  })
  for (const project of ['left', 'right']) {
    await lockgate.call(endpoints.createProject, { body: { name: project as never } })
    tokens[project] = (await lockgate.call(endpoints.createToken, { body: { name: project, role: 'admin', project } })).secret
    await asking(tokens[project] ?? '', '/v1/apps', { name: `${project}-shop` })
  }
})
afterAll(async () => {
  await lockgate?.stop()
  await dns?.close()
})

interface Answer {
  readonly status: number
  readonly code: string | undefined
  readonly detail: string
}

async function asking(token: string, path: string, body: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const response = await fetch(`${lockgate.apiUrl}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const answer = (await response.json()) as { readonly code?: string; readonly detail?: string }
  return { status: response.status, code: answer.code, detail: answer.detail ?? '' }
}

const add = (project: 'left' | 'right', host: string, path = '/') =>
  asking(tokens[project] ?? '', `/v1/apps/${project}-shop/environments/production/domains`, { host, path })
const addAsAdmin = (host: string) => asking(lockgate.token, '/v1/apps/left-shop/environments/production/domains', { host })

function projectId(name: string): string {
  const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'), { readOnly: true })
  const id = String(database.prepare('select id from project where name = ?').get(name)?.['id'])
  database.close()
  return id
}

function prove(project: string, name: string): void {
  dns.records.set(`_lockgate.${name}`, `lockgate-project=${lockgate.name}/${projectId(project)}`)
}

describe('hostnames', () => {
  test('need a TXT record where the administrator asks for it; the refusal says which', async () => {
    const refused = await add('left', 'shop.example.com')
    expect(refused).toMatchObject({ status: 502, code: 'domain.not_proven' })
    expect(refused.detail).toContain(`_lockgate.example.com with the text "lockgate-project=${lockgate.name}/${projectId('left')}"`)

    prove('left', 'example.com')

    expect((await add('left', 'shop.example.com')).status).toBe(200)
    expect(await add('right', 'shop.example.com'), 'the record names the project').toMatchObject({ code: 'domain.not_proven' })
  })

  test.each([
    ['the same name at another path', 'shop.example.com', '/login'],
    ['the wildcard above it', '*.example.com', '/'],
  ])('of another project cannot be taken: %s', async (_what, host, path) => {
    prove('left', 'shop.example.com')
    await add('left', 'shop.example.com')
    prove('right', 'example.com')
    prove('right', 'shop.example.com')

    expect(await add('right', host, path)).toMatchObject({ status: 409, code: 'domain.taken' })
  })

  test.each(['future.localhost', 'left-shop-staging.localhost', '*.localhost'])(
    '%s is generated, never claimed, not even by an administrator',
    async (host) => {
      expect(await add('right', host)).toMatchObject({ status: 422, code: 'domain.reserved' })
      expect(await addAsAdmin(host)).toMatchObject({ status: 422, code: 'domain.reserved' })
    },
  )

  test.each(['127.0.0.1', '10.0.0.9', 'com', '*.com', 'co.uk', '*.github.io', 'login.example.org', '*.example.org'])(
    '%s needs an administrator of the installation',
    async (host) => {
      expect(await add('right', host)).toMatchObject({ status: 403, code: 'domain.needs_admin' })
      expect((await addAsAdmin(host)).status).toBe(200)
    },
  )
})

/** A token, and a way to revoke it. */
async function aToken(name: string): Promise<{ readonly secret: string; readonly revoke: () => Promise<unknown> }> {
  const { secret, token } = await lockgate.call(endpoints.createToken, { body: { name, role: 'admin' } })
  return { secret, revoke: () => lockgate.call(endpoints.revokeToken, { params: { id: token.id } }) }
}

/** Begins a request over a plain socket; resolves when the server ends it. */
async function holdOpen(head: string, body: Uint8Array = new Uint8Array()): Promise<{ readonly ended: Promise<number>; readonly socket: Socket }> {
  const { hostname, port } = new URL(lockgate.apiUrl)
  const socket = connect({ host: hostname, port: Number(port) })
  await once(socket, 'connect')
  const ended = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())))
  socket.on('error', () => undefined)
  socket.resume()
  socket.write(head)
  socket.write(body)
  return { ended, socket }
}

const headOf = (line: string, token: string, more: readonly string[] = []): string =>
  [line, 'Host: localhost', `Authorization: Bearer ${token}`, ...more, '', ''].join('\r\n')

describe('a token that is revoked', () => {
  test.each<readonly [string, string, readonly string[]]>([
    ['a stream of events', 'GET /v1/events/stream HTTP/1.1', []],
    ['a stream of logs', 'GET /v1/apps/left-shop/environments/production/logs/stream HTTP/1.1', []],
    ['a push that is being sent', 'POST /git/left-shop.git/git-receive-pack HTTP/1.1', ['Content-Length: 1000000']],
    [
      'a folder that is being sent',
      'POST /v1/apps/left-shop/environments/production/uploads HTTP/1.1',
      ['Content-Type: application/gzip', 'Content-Length: 1000000'],
    ],
  ])('ends %s within 2 s', async (what, line, more) => {
    const token = await aToken(what)
    const { ended } = await holdOpen(headOf(line, token.secret, more), Buffer.from('00'))
    // The server has heard it: a second request on another connection is answered after it.
    expect((await fetch(`${lockgate.apiUrl}/v1/me`, { headers: { authorization: `Bearer ${token.secret}` } })).status).toBe(200)
    const began = performance.now()

    await token.revoke()

    expect((await ended) - began).toBeLessThan(2_000)
  })

  test('ends nothing of another token', async () => {
    const [mine, theirs] = [await aToken('mine'), await aToken('theirs')]
    const { socket } = await holdOpen(headOf('GET /v1/events/stream HTTP/1.1', mine.secret))
    const stream = await holdOpen(headOf('GET /v1/events/stream HTTP/1.1', theirs.secret))

    await theirs.revoke()
    await stream.ended

    expect(socket.destroyed).toBe(false)
    socket.destroy()
  })
})

describe('requests that are sent in part', () => {
  test('end after half a minute, before and behind the door', async () => {
    const half = (line: string) => holdOpen(headOf(line, lockgate.token, ['Content-Type: application/json', 'Content-Length: 1000']), Buffer.from('{"code":'))
    const open = await Promise.all([...Array.from({ length: 20 }, () => half('POST /v1/sign-in HTTP/1.1')), half('POST /v1/apps HTTP/1.1')])
    const headers = await holdOpen('POST /v1/sign-in HTTP/1.1\r\nHost: localhost\r\n')

    await Promise.all([...open, headers].map(({ ended }) => ended))
  }, 60_000)

  test('leave no file of a push behind, however much a few bytes unzip to', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from(`0035shallow ${'a'.repeat(40)}`), Buffer.alloc(200 * 1024 ** 2)]))
    const more = ['Content-Encoding: gzip', `Content-Length: ${bomb.length + 1000}`]
    const { socket } = await holdOpen(headOf('POST /git/left-shop.git/git-receive-pack HTTP/1.1', lockgate.token, more), bomb)
    const folder = join(lockgate.directory, 'data', 'git', 'left-shop.git')
    const files = async () => (await readdir(folder)).filter((name) => name.startsWith('shallow-push.'))
    await until('the push is being taken in', async () => (await files()).length > 0)

    socket.destroy()

    await until('nothing of it is left', async () => (await files()).length === 0)
  })
})

describe('the API answers under its own names, and to no page of others', () => {
  const me = (headers: Readonly<Record<string, string>>) =>
    new Promise<number>((resolve, reject) => {
      const { hostname, port } = new URL(lockgate.apiUrl)
      const asking = request({ host: hostname, port, path: '/v1/me', headers: { authorization: `Bearer ${lockgate.token}`, ...headers } }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      asking.on('error', reject)
      asking.end()
    })

  test.each([
    ['localhost', 200],
    ['127.0.0.1:7070', 200],
    ['[::1]:7070', 200],
    ['10.1.2.3', 200],
    ['lockgate.localhost', 200],
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['localhost:80@evil.example', 403],
    ['localhost,evil.example', 403],
  ])('Host %j: %i', async (host, status) => {
    expect(await me({ host })).toBe(status)
  })

  test('a page of another origin is refused, one of the same is not', async () => {
    expect(await me({ host: 'localhost', origin: 'http://localhost' })).toBe(200)
    for (const origin of ['http://evil.example', 'https://localhost:1', 'null', 'x']) expect(await me({ host: 'localhost', origin }), origin).toBe(403)
  })

  test('a password that a browser would send by itself is no token', async () => {
    const basic = `Basic ${Buffer.from(`x:${lockgate.token}`).toString('base64')}`
    expect(await me({ host: 'localhost', authorization: basic })).toBe(401)
    expect((await fetch(`${lockgate.apiUrl}/git/left-shop.git/info/refs?service=git-upload-pack`, { headers: { authorization: basic } })).status).toBe(200)
  })
})
