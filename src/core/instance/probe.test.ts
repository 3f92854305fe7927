import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { createServer as createH2 } from 'node:http2'
import { type AddressInfo, createServer, type Server as NetServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { DEFAULT_RUN_SPEC, type HealthSpec } from '../artifact/artifact.ts'
import { ask, type ProbeTarget } from './ask.ts'
import { Prober } from './probe.ts'

const NO_ENGINE = { exec: () => Promise.reject(new Error('no engine here')) }

async function listening(server: Server | NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function web(handler: RequestListener): Promise<number> {
  return listening(createHttp(handler))
}

function target(port: number, health: Partial<HealthSpec> = {}, said: Partial<ProbeTarget> = {}): ProbeTarget {
  return {
    name: 'i-0',
    environmentId: 'e-1',
    address: '127.0.0.1',
    port,
    protocol: 'http',
    health: { ...DEFAULT_RUN_SPEC.health, timeoutMs: 300, intervalMs: 10, ...health },
    redact: (text: string) => text,
    host: 'shop.localhost',
    proven: false,
    startedAt: 1,
    ...said,
  }
}

test.each([
  ['default', 200, true],
  ['default', 302, true],
  ['default', 404, true],
  ['default', 503, false],
  ['http', 204, true],
  ['http', 302, true],
  ['http', 404, false],
  ['http', 500, false],
] as const)('for the probe %s an answer of %i is good: %s', async (kind, status, ok) => {
  const port = await web((_request, response) => response.writeHead(status).end())
  expect(await ask(target(port, { kind, path: '/up' }), NO_ENGINE)).toEqual({ ok, text: `GET /up → ${status}${ok ? '' : ' (Host: shop.localhost)'}` })
})

test('a probe comes under the name of the app, and says who it is', async () => {
  const heard: unknown[] = []
  const port = await web((request, response) => {
    heard.push(request.headers.host, request.headers['user-agent'], request.url)
    response.end()
  })
  await ask(target(port, { kind: 'http', path: '/up?full=1' }), NO_ENGINE)
  expect(heard).toEqual(['shop.localhost', 'lockgate-probe', '/up?full=1'])
})

test('an app that listens and speaks no HTTP passes the default probe, not the HTTP one', async () => {
  const port = await listening(createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-other\r\n')))
  expect(await ask(target(port), NO_ENGINE)).toEqual({ ok: true, text: `port ${port} accepts connections (not HTTP)` })
  expect((await ask(target(port, { kind: 'http' }), NO_ENGINE)).ok).toBe(false)
  expect(await ask(target(port, { kind: 'tcp' }), NO_ENGINE)).toEqual({ ok: true, text: `port ${port} accepts connections` })
})

test('nobody there, and nobody in time, are said as what they are', async () => {
  const silent = await web(() => undefined)
  const closed = await listening(createServer((socket) => socket.destroy()))
  expect(await ask(target(1), NO_ENGINE)).toEqual({ ok: false, text: 'connection refused on port 1' })
  expect(await ask(target(1, { kind: 'tcp' }), NO_ENGINE)).toEqual({ ok: false, text: 'connection refused on port 1' })
  expect(await ask(target(silent, { timeoutMs: 50 }), NO_ENGINE)).toEqual({ ok: false, text: 'GET / → no answer within 50 ms' })
  expect(await ask(target(closed), NO_ENGINE)).toEqual({ ok: false, text: `port ${closed} closed the connection without an answer` })
})

test('an app of HTTP/2 without TLS is asked in its own tongue', async () => {
  const server = createH2((_request, response) => response.writeHead(200).end())
  const port = await listening(server)
  expect(await ask(target(port, { kind: 'http', path: '/up' }, { protocol: 'h2c' }), NO_ENGINE)).toEqual({ ok: true, text: 'GET /up (h2c) → 200' })
  expect(await ask(target(1, { kind: 'http' }, { protocol: 'h2c' }), NO_ENGINE)).toEqual({ ok: false, text: 'connection refused on port 1' })
})

test('a command inside says by its exit status, and the last line is kept', async () => {
  const health = { kind: 'command', command: ['check', '--all'] } as const
  const engine = (status: number, output: string) => ({ exec: async () => ({ status, output }) })
  expect(await ask(target(1, health), engine(0, ''))).toEqual({ ok: true, text: 'check --all → exit 0' })
  expect(await ask(target(1, health), engine(2, 'one\ntwo\n'))).toEqual({ ok: false, text: 'check --all → exit 2: two' })
  expect(await ask(target(1, health), NO_ENGINE)).toEqual({ ok: false, text: 'no engine here' })
})

test('an instance is ready after enough good answers in a row, and not any more after enough bad ones', async () => {
  let status = 200
  let asked = 0
  const port = await web((_request, response) => {
    asked += 1
    response.writeHead(status).end()
  })
  const changes: string[] = []
  const prober = new Prober(NO_ENGINE, (id) => changes.push(id))
  onTestFinished(() => prober.close())
  prober.watch('e-1', [target(port, { rise: 3, fall: 3 })])

  await until('it is ready', () => prober.result('i-0').state === 'ready')
  expect(asked).toBeGreaterThanOrEqual(3)
  status = 503
  await until('it is not', () => prober.result('i-0').state === 'not-ready')

  expect(prober.result('i-0')).toMatchObject({ lastAnswer: expect.stringMatching(/^GET \/ → 503 \(Host: /) })
  expect(prober.result('i-0').failuresInARow).toBeGreaterThanOrEqual(3)
  expect(changes).toEqual(['e-1', 'e-1'])
})

test('one that starts is not ready at its first bad answer; of one that served before nothing is known yet', async () => {
  const prober = new Prober(NO_ENGINE, () => undefined)
  onTestFinished(() => prober.close())
  prober.watch('e-1', [target(1, { fall: 1000 }), target(1, { fall: 1000 }, { name: 'i-1', proven: true })])

  await until('the first is known', () => prober.result('i-0').state === 'not-ready' && prober.result('i-1').failuresInARow > 2)

  expect(prober.result('i-1').state).toBe('unknown')
})

test('what was known of a process does not count for the next: that one is not ready until it answers', async () => {
  const port = await web((_request, response) => response.end())
  const prober = new Prober(NO_ENGINE, () => undefined)
  onTestFinished(() => prober.close())
  prober.watch('e-1', [target(port, { rise: 1 })])
  await until('it is ready', () => prober.result('i-0').state === 'ready')

  prober.watch('e-1', [target(port, { rise: 1 })])
  expect(prober.result('i-0').state).toBe('ready')
  prober.watch('e-2', [])
  expect(prober.result('i-0').state).toBe('ready')
  prober.watch('e-1', [target(port, { rise: 1 }, { host: 'other.localhost' })])
  expect(prober.result('i-0').state).toBe('ready')
  prober.watch('e-1', [target(port, { rise: 1 }, { startedAt: 2 })])
  expect(prober.result('i-0').state).toBe('not-ready')
  prober.watch('e-1', [])
  expect(prober.result('i-0')).toEqual({ state: 'not-ready', lastAnswer: null, failuresInARow: 0, wasReady: false })
  expect(prober.result('never-seen').state).toBe('unknown')
})
