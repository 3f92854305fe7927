import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { connect as connectH2 } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { anApp } from '../../../../test/support/an-app.ts'
import { startAppServer, startH2cAppServer } from '../../../../test/support/app-server.ts'
import { ask, aTable, target } from '../../../../test/support/edge.ts'
import { freePort, startHaproxy } from '../../../../test/support/haproxy.ts'
import { aFolder } from '../../../../test/support/store.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { haproxy } from './index.ts'
import { MasterSocket } from './socket.ts'
import { masterSocketPath } from './start.ts'

async function anEdge(overrides: Parameters<typeof startHaproxy>[0] = {}) {
  const running = await startHaproxy(overrides)
  onTestFinished(() => running.stop())
  return { running, edge: await haproxy.create(running.config, { log: silentLog }), port: running.config.httpPort }
}

test('after a crash HAProxy serves the same routes and keeps out what was out, without the server', async () => {
  const { running, edge, port } = await anEdge()
  const [one, out] = [await anApp('i-1'), await anApp('out')]
  const page = { state: 'stopped', sentence: 'Ada stopped it.', retryAfterSeconds: 9 }
  const table = aTable(5, [
    { hosts: ['shop.test'], targets: [target(out, false), target(one)] },
    { hosts: ['idle.test'], targets: [], title: 'idle', page },
  ])
  await edge.serve(table)

  await running.crash()

  for (let count = 0; count < 20; count += 1) expect((await ask(port, 'shop.test')).body).toEqual('i-1')
  expect(out.total()).toEqual(0)
  expect(await ask(port, 'idle.test')).toMatchObject({ status: 503, headers: { 'retry-after': '9' }, body: expect.stringContaining('idle is stopped') })
  expect(await edge.generation()).toEqual(5)
  expect(await edge.serve(table)).toEqual(5)
  expect(await edge.serve({ ...table, generation: 6 })).toEqual(6)
  expect(running.starts()).toEqual(2)
})

test('the 503 page is true while no server runs, and an unreachable edge says so', async () => {
  const { running, edge, port } = await anEdge()
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [] }]))
  expect((await ask(port, 'shop.test')).status).toEqual(503)

  await running.stop()

  await expect(edge.generation()).rejects.toMatchObject({ code: 'edge.unreachable', retryable: true })
  expect((await edge.info()).checks.find((check) => check.name === 'process')?.ok).toEqual(false)
})

test('an instance that its check took out comes back only with a newer generation', async () => {
  const { running, edge, port } = await anEdge()
  const app = await startAppServer('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  await edge.serve(table)
  await app.kill()
  await until('the check took it out', async () => (await edge.takenOut()).length === 1)
  expect(await edge.takenOut()).toEqual(['i-1'])
  expect(await ask(port, 'shop.test')).toMatchObject({ status: 503, body: expect.stringContaining('shop is starting') })

  const again = await startAppServer('i-1', app.port)
  onTestFinished(() => again.kill())
  const socket = new MasterSocket(masterSocketPath(running.config))
  const checked = async () => socket.tell((await socket.workers()).current ?? 0, ['show stat p8_000 4 -1'])
  // The question says that the server is there: otherwise the edge would put it in by itself.
  await until('the check sees it again', async () => (await edge.takenOut()).length === 1 && (await checked()).includes('L4OK'))
  expect((await ask(port, 'shop.test')).status).toEqual(503)
  await edge.serve({ ...table, generation: 2 })

  expect((await ask(port, 'shop.test')).body).toEqual('i-1')
  expect(await edge.takenOut()).toEqual([])
})

test('the first request that finds nobody calls for the check, which is seldom in quiet times', async () => {
  const { running, edge, port } = await anEdge()
  const app = await startAppServer('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
  await app.kill()

  expect((await ask(port, 'shop.test')).status).toEqual(503)

  await until('the check took it out', async () => (await edge.takenOut()).length === 1)
  const socket = new MasterSocket(masterSocketPath(running.config))
  const [names = '', ...rows] = (await socket.tell((await socket.workers()).current ?? 0, ['show stat p8_000 4 -1'])).trim().split('\n')
  const counts = rows.find((row) => row.startsWith('p8_000,s1,')) ?? ''
  // So HAProxy counts the errors of requests that call for a check.
  expect(Number(counts.split(',')[names.split(',').indexOf('hanafail')])).toBeGreaterThan(0)
})

test('one dead instance of two delays nobody', async () => {
  const { edge, port } = await anEdge()
  const [good, bad] = [await anApp('good'), await startAppServer('bad')]
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(good), target(bad)] }]))
  await bad.kill()

  const started = performance.now()
  for (let count = 0; count < 30; count += 1) expect((await ask(port, 'shop.test')).body).toEqual('good')

  expect(performance.now() - started).toBeLessThan(900)
})

test('no two requests have the same id, neither side by side nor after a crash', async () => {
  const { running, edge, port } = await anEdge()
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
  const many = () => Promise.all(Array.from({ length: 50 }, async () => String((await ask(port, 'shop.test')).headers['x-request-id'])))

  const before = await many()
  await running.crash()
  const ids = [...before, ...(await many())]

  expect(ids.filter((id) => !/^[0-9A-F]{24}$/.test(id))).toEqual([])
  expect(ids.filter((id) => !/^[0-9A-F]{24}$/.test(id))).toEqual([])
})

test('a changed port is handed over by one reload', async () => {
  const { running, edge } = await anEdge()
  const app = await anApp('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  await edge.serve(table)
  const httpPort = await freePort()
  const moved = await haproxy.create({ ...running.config, httpPort }, { log: silentLog })

  expect(await moved.serve(table)).toEqual(1)

  expect((await ask(httpPort, 'shop.test')).body).toEqual('i-1')
})

test('each app has its own request timeout', async () => {
  const { edge, port } = await anEdge()
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)], requestTimeoutMs: 300 }]))

  expect(await ask(port, 'shop.test', { path: '/slow?ms=5000' })).toMatchObject({ status: 504, headers: { 'cache-control': 'no-store' } })
})

test('h2c passes to an app that speaks it, over several streams on one connection', async () => {
  const { edge, port } = await anEdge()
  const app = await startH2cAppServer('rpc')
  onTestFinished(() => app.kill())
  await edge.serve(aTable(1, [{ hosts: ['rpc.test'], protocol: 'h2c', targets: [target(app)] }]))
  const session = connectH2(`http://127.0.0.1:${port}`)
  onTestFinished(() => session.destroy())

  const open = ['a', 'b'].map(() => session.request({ ':path': '/echo', ':method': 'POST', ':authority': 'rpc.test' }, { endStream: false }))
  for (const stream of open) stream.write('part')
  await Promise.all(open.map((stream) => once(stream, 'data')))

  expect((await edge.inFlight(['rpc'])).get('rpc')).toEqual(2)
  for (const stream of open) stream.end()
  await until('nothing is in flight', async () => (await edge.inFlight(['rpc'])).get('rpc') === 0)
})

test('a held stream that its client resets is not counted any more, and a half-closed client is still answered', async () => {
  const { edge, port } = await anEdge()
  const app = await anApp('i-1')
  const shop = { hosts: ['shop.test'], targets: [target(app)] }
  await edge.serve(aTable(1, [{ ...shop, hold: { boundMs: 60_000, token: 'h_1' } }]))
  const session = connectH2(`http://127.0.0.1:${port}`)
  onTestFinished(() => session.destroy())
  const streams = [1, 2].map(() => session.request({ ':path': '/', ':authority': 'shop.test' }).on('error', () => undefined))
  await until('both are held', async () => (await edge.held('e-shop.test')) === 2)

  streams[0]?.close(8)

  await until('one is left', async () => (await edge.held('e-shop.test')) === 1)
  await edge.serve(aTable(2, [shop]))
  await until('the other one is answered', () => streams[1]?.closed === true || app.total() === 1)
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).setEncoding('utf8')
  client.end('GET /slow?ms=300 HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  const [text] = await once(client, 'data')
  expect(String(text)).toContain('200 OK')
  client.destroy()
})

test('HTTPS serves HTTP/2 and WebSockets, and says so to the app', async () => {
  const folder = await aFolder()
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=shop.test'],
    ...['-keyout', join(folder, 'a.pem.key'), '-out', join(folder, 'a.pem')],
  ])
  const httpsPort = await freePort()
  const { edge } = await anEdge({ httpsPort, certificates: join(folder, 'a.pem') })
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))

  const session = connectH2(`https://127.0.0.1:${httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/headers', ':authority': 'shop.test' }).setEncoding('utf8')
  let body = ''
  for await (const text of stream) body += text
  const socket = new WebSocket(`wss://127.0.0.1:${httpsPort}/`, { headers: { host: 'shop.test' }, rejectUnauthorized: false })
  await once(socket, 'open')
  socket.send('hello')
  const [echo] = await once(socket, 'message')
  socket.close()

  expect(JSON.parse(body)).toMatchObject({ 'x-forwarded-proto': 'https', 'x-forwarded-port': String(httpsPort) })
  expect(String(echo)).toEqual('hello')
})

test('nothing of a page reaches the configuration', async () => {
  const { running, edge } = await anEdge()
  const page = { state: 'stopped', sentence: 'a b; \n acl x %[env(HOME)]', retryAfterSeconds: 9 }
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [], page }]))

  expect(await readFile(join(running.config.directory, 'haproxy.cfg'), 'utf8')).not.toContain('acl x')
  expect((await ask(running.config.httpPort, 'shop.test')).body).toContain('acl x %[env(HOME)]')
})

test('a pool that HAProxy has too few open files for is refused before anything is written', async () => {
  const program = join(await aFolder(), 'haproxy-with-few-files')
  await writeFile(program, '#!/bin/sh\nulimit -n 1700\nHAPROXY=$(command -v haproxy)\nexec "$HAPROXY" "$@"\n', { mode: 0o755 })
  const { running, edge, port } = await anEdge({ program, pool: { http: { 8: 80, 32: 0, 128: 0 }, h2c: { 8: 0, 32: 0, 128: 0 } } })
  const app = await anApp('i-1')
  const entries = (count: number) => Array.from({ length: count }, (_, at) => ({ hosts: [`h${at}.test`], targets: [{ ...target(app), instance: `i-${at}` }] }))
  // Eight of 80 stay free, then fewer: there are no files for the spare ones, and none are missing yet.
  await edge.serve(aTable(1, entries(72)))
  await edge.serve(aTable(2, entries(80)))
  const files = () => Promise.all(['haproxy.cfg', 'state.json', 'maps/hosts.map'].map((name) => readFile(join(running.config.directory, name), 'utf8')))
  const before = await files()

  await expect(edge.serve(aTable(3, entries(90)))).rejects.toMatchObject({ code: 'edge.refused', message: expect.stringContaining('open files') })

  expect(await files()).toEqual(before)
  expect(await edge.generation()).toEqual(2)
  expect((await ask(port, 'h79.test')).body).toEqual('i-1')
  expect(running.starts()).toEqual(1)
})

test('without its state file the driver stops nothing, and drains what it finds before it uses it again', async () => {
  const { running, edge, port } = await anEdge()
  const app = await anApp('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  await edge.serve(table)
  const slow = ask(port, 'shop.test', { path: '/slow?ms=800' })
  await until('the request is at the app', () => app.inFlight() === 1)
  await rm(join(running.config.directory, 'state.json'))
  const again = await haproxy.create(running.config, { log: silentLog })

  await expect(again.inFlight(['i-1'])).rejects.toMatchObject({ code: 'edge.state_lost', retryable: true })
  expect(await again.serve(table)).toEqual(1)

  expect((await again.inFlight(['i-1'])).get('i-1')).toEqual(1)
  expect((await ask(port, 'shop.test')).body).toEqual('i-1')
  expect((await slow).status).toEqual(200)
  await until('nothing is in flight', async () => (await again.inFlight(['i-1'])).get('i-1') === 0)
})
