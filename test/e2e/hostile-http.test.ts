// Requests to the API as bytes, and values of every kind in its paths, queries, bodies and headers: each gets its code.
import { describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { attacked } from '../support/attacked.ts'
import { CALLS, HOSTS_OF_ADMINS } from '../support/hostile-calls.ts'
import { BODIES, DOUBLED, FRAMES, ORIGINS, type RawRow, TOKENS } from '../support/hostile-http.ts'
import { problemIn, sendRaw } from '../support/raw-http.ts'

const { lockgate } = attacked('10.226.0.0/16')

function bytesOf({ line, headers = [], body = '' }: RawRow): Buffer {
  const { apiUrl, token } = lockgate()
  const said: Readonly<Record<string, string>> = { H: `Host: ${new URL(apiUrl).host}`, A: `Authorization: Bearer ${token}` }
  const lines = [line, ...headers.map((header) => said[header] ?? header), 'Connection: close']
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body as string)])
}

describe.each([
  ['frames', FRAMES],
  ['headers that stand twice', DOUBLED],
  ['hosts and origins', ORIGINS],
  ['bodies', BODIES],
])('%s', (_name, rows) => {
  test.each(rows)('$name: $code', async (row) => {
    const answer = await sendRaw(lockgate().apiUrl, bytesOf(row))

    expect(problemIn(answer), answer.slice(0, 500)).toEqual({ status: row.status, code: row.code })
    expect(answer).toContain('content-type: application/problem+json')
  })
})

describe('tokens', () => {
  test.each(TOKENS)('%j opens nothing', async (authorization, status, code) => {
    const answer = await sendRaw(
      lockgate().apiUrl,
      Buffer.from(`GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`, 'latin1'),
    )

    expect(problemIn(answer)).toEqual({ status, code })
  })

  test('the scheme of a token has no case', async () => {
    const { apiUrl, token } = lockgate()
    expect((await fetch(`${apiUrl}/v1/me`, { headers: { authorization: `bEARER  ${token}` } })).status).toBe(200)
  })
})

test.each(HOSTS_OF_ADMINS)('the hostname %j is not for an administrator of one project', async (host) => {
  const { secret } = await lockgate().call(endpoints.createToken, { body: { name: `to-${host}`.replaceAll('*', 'all'), role: 'admin', project: 'default' } })

  const answer = await fetch(`${lockgate().apiUrl}/v1/apps/target/environments/production/domains`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ host }),
  })

  expect({ status: answer.status, code: ((await answer.json()) as { readonly code: string }).code }).toEqual({ status: 403, code: 'domain.needs_admin' })
})

describe('calls', () => {
  test.each(CALLS)('$method $path $body $headers: $code', async ({ method, path, body, headers, status, code }) => {
    const { apiUrl, token } = lockgate()
    const before = await lockgate().call(endpoints.listEvents, { query: { limit: 1 } })

    const answer = await fetch(`${apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const said = (await answer.json()) as { readonly code?: string; readonly detail?: string }

    expect({ status: answer.status, code: said.code }, said.detail).toEqual({ status, code })
    // Nothing was changed by it.
    expect(await lockgate().call(endpoints.listEvents, { query: { limit: 1 } })).toEqual(before)
  })

  test('events of an app after a number are those after it, oldest first', async () => {
    const all = await lockgate().call(endpoints.listEvents, { query: { app: 'target' as never, limit: 1000 } })
    const after = all[0]?.seq ?? 0

    expect(await lockgate().call(endpoints.listEvents, { query: { app: 'target' as never, after } })).toEqual(all.slice(1))
  })

  test('a stream whose reader says to have seen more than there is goes on with what is new', async () => {
    const { apiUrl, token } = lockgate()
    const answer = await fetch(`${apiUrl}/v1/events/stream`, { headers: { authorization: `Bearer ${token}`, 'last-event-id': '999999999' } })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    await lockgate().create('seen')
    let said = ''
    while (!said.includes('app.created')) said += (await reader?.read())?.value ?? ''
    await reader?.cancel()

    expect(said).toContain('"name":"seen"')
  })
})
