// What a visitor says of a request: hosts that are none, header names that lie, headers that are large, proxies in front.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { ask, aTable, target } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

async function served(overrides: Parameters<typeof startHaproxy>[0] = {}) {
  const running = await startHaproxy(overrides)
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test', '*.wild.test'], targets: [target(app)] }]))
  return { edge, app, port: running.config.httpPort }
}

/** Sends bytes as they are; the whole answer. */
async function raw(port: number, text: string, prefix: Buffer = Buffer.alloc(0)): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  socket.write(Buffer.concat([prefix, Buffer.from(text, 'latin1')]))
  let answer = ''
  socket.on('data', (chunk: string) => {
    answer += chunk
  })
  socket.on('error', () => undefined)
  await once(socket, 'close')
  return answer
}

const seen = (answer: string): Record<string, string> => JSON.parse(answer.split('\r\n\r\n')[1] ?? '{}') as Record<string, string>

test.each([
  'shop.test:80@evil.example',
  'shop.test,evil.example',
  'evil.example,shop.test',
  'shop.test.:1"><script>alert(1)</script>',
  'shop.test/evil',
  'shop.test/',
  'shop.test#x',
  'shop.test?x',
  'shop.test:',
  'shop.test:99999999',
  'shop.test:80:80',
  'user@shop.test',
  'shop.test\\evil',
  'shop.test%00',
  'sh\u00f6p.test',
  ' ',
  '-shop.test',
  '.shop.test',
  'shop.test..',
  'a.wild.test,b.wild.test',
  '[::1',
  '::1',
])('the host %j is answered 400, and reaches no app', async (host) => {
  const { app, port } = await served()

  const answer = await raw(port, `GET /headers HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)

  expect(answer).toMatch(/^HTTP\/1\.[01] 400 /)
  expect(answer).not.toContain('evil')
  expect(app.total()).toBe(0)
})

test.each([
  ['shop.test', 'shop.test'],
  ['SHOP.Test', 'shop.test'],
  ['shop.test:8080', 'shop.test'],
  ['shop.test.', 'shop.test'],
  ['a.wild.test:1', 'a.wild.test'],
])('the host %j is the name %j for the app', async (host, name) => {
  const { port } = await served()

  const headers = seen(await raw(port, `GET /headers HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))

  expect(headers).toMatchObject({ host, 'x-forwarded-host': name })
})

test('two hosts are refused, and header names with an underscore do not reach an app', async () => {
  const { port } = await served()

  expect(await raw(port, 'GET / HTTP/1.1\r\nHost: shop.test\r\nHost: evil.example\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.[01] 400 /)
  const headers = seen(await raw(port, 'GET /headers HTTP/1.1\r\nHost: shop.test\r\nX_Forwarded_For: 6.6.6.6\r\nX_A: 1\r\nX-B: 2\r\nConnection: close\r\n\r\n'))
  expect(Object.keys(headers).filter((name) => name.includes('_'))).toEqual([])
  expect(headers).toMatchObject({ 'x-b': '2', 'x-forwarded-for': '127.0.0.1' })
})

const POST = 'POST /headers HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n'

test.each([
  ['two lengths', `${POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`],
  ['two lengths in one', `${POST}Content-Length: 1, 2\r\n\r\nxx`],
  ['a length below nothing', `${POST}Content-Length: -1\r\n\r\nx`],
  ['a length with a sign', `${POST}Content-Length: +1\r\n\r\nx`],
  ['a length in hexadecimal', `${POST}Content-Length: 0x1\r\n\r\nx`],
  ['chunks and what is not chunks', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ['chunks twice', `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['a chunk whose length is no number', `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
  ['a chunk longer than any number', `${POST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n`],
  ['a blank before a colon', 'GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding : chunked\r\nConnection: close\r\n\r\n'],
  ['a header with a NUL', 'GET / HTTP/1.1\r\nHost: shop.test\r\nX: a\0b\r\nConnection: close\r\n\r\n'],
  ['a header without a name', 'GET / HTTP/1.1\r\nHost: shop.test\r\n: x\r\nConnection: close\r\n\r\n'],
  ['a path with a control byte', 'GET /\u0001 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'],
  ['a path with a byte that is no ASCII', 'GET /\u00ff HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'],
  ['a path that is none', 'GET shop HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'],
  ['another host in its target', 'GET http://evil.example/ HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
])('a request with %s is answered 400, and reaches no app', async (_name, bytes) => {
  const { app, port } = await served()

  expect(await raw(port, bytes)).toMatch(/^HTTP\/1\.[01] 400 /)
  expect(app.total()).toBe(0)
})

test('a header that programs behind CGI take for the proxy of their own requests does not reach an app', async () => {
  const { port } = await served()

  const headers = seen(await raw(port, 'GET /headers HTTP/1.1\r\nHost: shop.test\r\nProxy: http://evil.example\r\nConnection: close\r\n\r\n'))

  expect(headers).toHaveProperty('x-forwarded-host')
  expect(headers).not.toHaveProperty('proxy')
})

test('request ids say nothing of how many requests there are', async () => {
  const { port } = await served()
  const ids = await Promise.all(Array.from({ length: 50 }, async () => String((await ask(port, 'shop.test')).headers['x-request-id'])))

  expect(new Set(ids).size).toBe(50)
  for (const id of ids) expect(id).toMatch(/^[0-9A-F]{24}$/)
  // Of a counter neighbours would share most of their digits.
  const shared = ids.slice(1).map((id, at) => [...id].filter((digit, place) => digit === ids[at]?.[place]).length)
  expect(Math.max(...shared)).toBeLessThan(16)
})

test('large cookies and large answer headers pass; larger ones say what is wrong', async () => {
  const { edge, port } = await served()
  const big = createServer((request, response) => {
    const bytes = Number(new URL(request.url ?? '', 'http://x').searchParams.get('bytes'))
    response.setHeader('x-big', 'a'.repeat(bytes)).end('big')
  }).listen(0, '127.0.0.1')
  await once(big, 'listening')
  onTestFinished(() => void big.close())
  const { port: bigPort } = big.address() as AddressInfo
  await edge.serve(aTable(2, [{ hosts: ['big.test', 'shop.test'], targets: [{ instance: 'big', address: '127.0.0.1', port: bigPort, ready: true }] }]))
  const cookie = (bytes: number) => ({ headers: { cookie: `c=${'c'.repeat(bytes)}` } })

  expect((await ask(port, 'big.test', { path: '/?bytes=14000' })).headers['x-big']).toHaveLength(14_000)
  // Node's own client takes 16 kB only.
  for (const bytes of [15_900, 16_384, 40_000, 60_000])
    expect(await raw(port, `GET /?bytes=${bytes} HTTP/1.1\r\nHost: big.test\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /)
  expect((await ask(port, 'shop.test', { path: '/?bytes=1', ...cookie(12_000) })).status).toBe(200)
  const tooLarge = await ask(port, 'big.test', { path: '/?bytes=140000' })
  expect(tooLarge).toMatchObject({ status: 502, body: expect.stringContaining('more than 127 kB of headers') })
  expect(await ask(port, 'shop.test', cookie(70_000))).toMatchObject({ status: 431, body: expect.stringContaining('more than 63 kB of cookies') })
})

test('what a trusted proxy says is kept, and nobody else is trusted', async () => {
  const proxied = await served({ trustedProxies: ['127.0.0.0/8'] })
  const plain = await served({ trustedProxies: ['10.0.0.0/8'] })
  const request =
    'GET /headers HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front.example\r\nConnection: close\r\n\r\n'

  expect(seen(await raw(proxied.port, request))).toMatchObject({
    'x-forwarded-for': '9.9.9.9, 127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'front.example',
    'x-forwarded-port': String(proxied.port),
    'x-real-ip': '9.9.9.9',
  })
  expect(seen(await raw(plain.port, request))).toMatchObject({
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'shop.test',
    'x-real-ip': '127.0.0.1',
  })
})

test('a proxy that speaks the PROXY protocol says who the visitor is', async () => {
  const { port } = await served({ trustedProxies: ['127.0.0.1'], proxyProtocol: true })
  const addresses = Buffer.from([9, 9, 9, 9, 10, 0, 0, 1, 0x30, 0x39, 0x00, 0x50])
  const header = Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a', 'hex'), Buffer.from([0x21, 0x11, 0, addresses.length]), addresses])

  const headers = seen(await raw(port, 'GET /headers HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n', header))

  expect(headers).toMatchObject({ 'x-forwarded-for': '9.9.9.9', 'x-real-ip': '9.9.9.9', 'x-forwarded-port': '80' })
})

test('one app cannot take all connections of the edge', async () => {
  const { edge, app, port } = await served({ appConnections: 10 })
  const other = await anApp('other')
  await edge.serve(
    aTable(2, [
      { hosts: ['shop.test'], targets: [target(app)] },
      { hosts: ['other.test'], targets: [target(other)] },
    ]),
  )
  const slow = Array.from({ length: 10 }, () => ask(port, 'shop.test', { path: '/slow?ms=1500' }))
  await until('ten are at the app', () => app.inFlight() === 10)

  expect(await ask(port, 'shop.test')).toMatchObject({ status: 429, headers: { 'retry-after': '5' } })
  expect((await ask(port, 'other.test')).status).toBe(200)
  await Promise.all(slow)
  expect((await ask(port, 'shop.test')).status).toBe(200)
})
