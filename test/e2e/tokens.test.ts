import { readdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { freePort } from '../support/haproxy.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person

beforeAll(async () => {
  lockgate = await anInstallation({
    range: '127.79.0.0/16',
    settings: { runtime: { driver: 'fake' }, edge: { driver: 'fake', config: { httpPort: await freePort() } }, builder: { driver: 'fake' } },
  })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

const data = (name: string) => join(lockgate.directory, 'data', name)
const code = async () => (await readFile(data('sign-in-code'), 'utf8')).trim()

function signIn(body: object): Promise<Response> {
  return fetch(`${lockgate.apiUrl}/v1/sign-in`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

function me(token: string): Promise<Response> {
  return fetch(`${lockgate.apiUrl}/v1/me`, { headers: { authorization: `Bearer ${token}` } })
}

/** Everything the server keeps of its own, as bytes. */
async function kept(): Promise<Buffer> {
  const names = (await readdir(data('.'))).filter((name) => name.startsWith('lockgate.db'))
  return Buffer.concat(await Promise.all(names.map((name) => readFile(data(name)))))
}

describe('the sign-in code', () => {
  test('works once; a new one is made on demand; too many tries have to wait', async () => {
    const used = await code()
    expect((await signIn({ code: used })).status).toBe(401)
    process.kill(lockgate.pid(), 'SIGUSR2')
    await until('there is a new code', async () => (await code()) !== used)
    const fresh = await code()

    const wrong = await signIn({ code: 'aaaa-bbbb-cccc' })
    const first = await signIn({ code: ` ${fresh.toUpperCase()} `, name: 'Ada' })
    const again = await signIn({ code: fresh })

    for (const answer of [wrong, again]) expect(await answer.json()).toMatchObject({ status: 401, code: 'actor.wrong_code' })
    const { secret, token } = (await first.json()) as { readonly secret: string; readonly token: object }
    expect(token).toMatchObject({ name: 'Ada', role: 'admin', project: null })
    expect((await me(secret)).status).toBe(200)
    let tries = 4
    let answer = again
    while (answer.status === 401 && tries < 15) {
      answer = await signIn({ code: fresh })
      tries++
    }
    // One more may have been the sign-in of the installation itself, if it was within the same minute.
    expect(tries - 1).toBeGreaterThanOrEqual(9)
    expect(tries - 1).toBeLessThanOrEqual(10)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(await answer.json()).toMatchObject({ code: 'request.too_many', title: 'Not available now' })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(2)
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect((await me(secret)).status).toBe(200)
  })
})

describe('a token', () => {
  test('starts with lgt_, is shown once and kept as a hash', async () => {
    const { secret, token } = await lockgate.call(endpoints.createToken, { body: { name: 'ci', role: 'releaser', days: 30 } })

    const list = await lockgate.call(endpoints.listTokens, {})

    expect(secret).toMatch(/^lgt_[A-Za-z0-9_-]{27}$/)
    expect(list.find((one) => one.id === token.id)).toEqual(token)
    expect(JSON.stringify(list)).not.toContain(secret)
    const bytes = await kept()
    expect(bytes.includes(token.id)).toBe(true)
    for (const one of [secret, secret.slice(4), lockgate.token, await code()]) expect(bytes.includes(one)).toBe(false)
    expect(lockgate.log()).not.toContain('lgt_')
  })

  test.each([
    [0, 'token.invalid_days'],
    [-1, 'request.invalid'],
    [3651, 'request.invalid'],
    [1e9, 'request.invalid'],
  ])('cannot live %d days', async (days, code) => {
    await expect(lockgate.call(endpoints.createToken, { body: { name: 'x', role: 'viewer', days } })).rejects.toMatchObject({
      problem: { status: 422, code },
    })
  })

  test('ends at its day, and nothing comes in from the networks of instances', async () => {
    const { secret, token } = await lockgate.call(endpoints.createToken, { body: { name: 'short', role: 'admin', days: 1 } })
    expect((await me(secret)).status).toBe(200)
    await lockgate.stopServer()
    const database = new DatabaseSync(data('lockgate.db'))
    expect(database.prepare('update token set expires_at = ? where id = ?').run(Date.now() - 1, token.id).changes).toBe(1)
    database.close()
    const file = join(lockgate.directory, 'settings.json')
    const settings = JSON.parse(await readFile(file, 'utf8')) as { readonly listen: object }
    await writeFile(file, JSON.stringify({ ...settings, listen: { ...settings.listen, host: '0.0.0.0' } }))
    await lockgate.start()

    const answer = await me(secret)

    expect(await answer.json()).toMatchObject({ status: 401, code: 'actor.token_expired', type: 'urn:lockgate:error:actor.token_expired' })
    const port = Number(new URL(lockgate.apiUrl).port)
    expect(await heard('127.0.0.1', port)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await heard('127.78.0.1', port)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await heard('127.79.0.1', port)).toBe('')
    expect(await heard('127.79.255.1', port)).toBe('')
  })
})

/** What a server says to a request at one of its addresses, until it closes. */
function heard(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host, port }, () => socket.write(`GET /v1/health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    // Closed without an answer is an answer.
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

interface Message {
  readonly id: number
  readonly data: { readonly seq: number; readonly kind?: string; readonly text?: string }
}

/** Reads a stream until it has so many messages or ends, then leaves. */
async function read(
  path: string,
  how: { readonly count: number; readonly after: number },
): Promise<{ readonly messages: readonly Message[]; readonly ended: boolean }> {
  const stop = new AbortController()
  const answer = await fetch(lockgate.apiUrl + path, {
    headers: { authorization: `Bearer ${lockgate.token}`, 'last-event-id': String(how.after) },
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]),
  })
  expect(answer.headers.get('content-type')).toBe('text/event-stream')
  const messages: Message[] = []
  let text = ''
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, id, json] = /^id: (\d+)\ndata: (.*)$/.exec(block) ?? []
      if (id !== undefined && json !== undefined) messages.push({ id: Number(id), data: JSON.parse(json) as Message['data'] })
      if (block.startsWith('event: end')) return { messages, ended: true }
      if (messages.length === how.count) {
        stop.abort()
        return { messages, ended: false }
      }
    }
  }
  return { messages, ended: false }
}

describe('streams go on where the reader was', () => {
  test('events: no gap and no repeat, whatever the cuts', async () => {
    const first = (await lockgate.call(endpoints.listEvents, { query: { after: 0, limit: 1 } }))[0]?.seq ?? 0
    for (const name of ['one', 'two', 'three']) await lockgate.create(name)
    const all = await lockgate.call(endpoints.listEvents, { query: { after: 0, limit: 1000 } })
    const seen: number[] = [first]
    for (const count of [1, 2, 3, 1, 2]) {
      const { messages } = await read('/v1/events/stream', { count, after: seen.at(-1) ?? 0 })
      expect(messages).toHaveLength(count)
      for (const { id, data: event } of messages) {
        expect(event.seq).toBe(id)
        seen.push(id)
      }
    }

    expect(seen).toEqual(all.slice(0, 10).map((event) => event.seq))
  })

  test('an event that comes while nobody reads is not missed, and a restart of the server changes nothing', async () => {
    const last = (await lockgate.call(endpoints.listEvents, { query: { limit: 1 } }))[0]?.seq ?? 0
    const reading = read('/v1/events/stream', { count: 1, after: last })
    await lockgate.create('four')
    const before = await reading
    await lockgate.stopServer()
    await lockgate.start()
    await lockgate.create('five')

    const after = await read('/v1/events/stream', { count: 2, after: before.messages[0]?.id ?? 0 })

    expect(before.messages[0]).toMatchObject({ id: last + 1, data: { kind: 'app.created' } })
    expect(after.messages.map((message) => message.id)).toEqual([last + 2, last + 3])
  })

  test('the log of a build: cut anywhere it is the same, and it ends', async () => {
    const folder = await ada.repository('logged', { files: { 'index.html': '<h1>hello</h1>' } })
    await well(ada.lockgate(['create', 'logged'], { cwd: folder }))
    await well(ada.git(folder, 'push', 'lockgate', 'main'))
    const id = (await lockgate.call(endpoints.listBuilds, { params: { app: 'logged', environment: 'production' } as never }))[0]?.id ?? ''
    const lines = await lockgate.call(endpoints.readBuildLog, { params: { id } })

    expect(lines.length).toBeGreaterThan(1)
    for (let after = 1; after < lines.length; after++) {
      const rest = await read(`/v1/builds/${id}/log/stream`, { count: 1000, after })
      expect(rest.messages.map((message) => message.data.text)).toEqual(lines.slice(after).map((line) => line.text))
      expect(rest.ended).toBe(true)
    }
  })
})
