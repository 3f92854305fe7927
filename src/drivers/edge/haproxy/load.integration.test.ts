import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { type Disruption, formatReport, startDisruption } from '../../../../test/support/disruption/index.ts'
import type { Kind, Report } from '../../../../test/support/disruption/types.ts'
import { ask, aTable, target } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import type { Edge } from '../types.ts'
import { haproxy } from './index.ts'
import { MasterSocket } from './socket.ts'
import { masterSocketPath } from './start.ts'

async function anEdge(overrides: Parameters<typeof startHaproxy>[0] = {}) {
  const running = await startHaproxy(overrides)
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const socket = new MasterSocket(masterSocketPath(running.config))
  return { running, edge, port: running.config.httpPort, worker: async () => (await socket.workers()).current }
}

function load(port: number, kinds: readonly Kind[], rate = 300): Promise<Disruption> {
  return startDisruption({ port, host: 'shop.test', rate, kinds })
}

function expectNoFailure(report: Report): void {
  expect(report.failed, formatReport(report)).toEqual(0)
  expect(report.sent).toBeGreaterThan(20)
}

async function untilIdle(edge: Edge, instance: string): Promise<void> {
  await until(`nothing is in flight to ${instance}`, async () => (await edge.inFlight([instance])).get(instance) === 0)
}

test('200 changes under load fail no request, and each takes milliseconds', async () => {
  const { edge, port, worker } = await anEdge()
  const apps = [await anApp('i-1'), await anApp('i-2'), await anApp('i-3')] as const
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: apps.map((app) => target(app)) }]))
  const before = await worker()
  const disruption = await load(port, ['new', 'kept'])
  const times: number[] = []

  for (let change = 2; change <= 201; change += 1) {
    const out = apps[change % 3]?.name
    const started = performance.now()
    await edge.serve(aTable(change, [{ hosts: ['shop.test', `h${change}.test`], targets: apps.map((app) => target(app, app.name !== out)) }]))
    times.push(performance.now() - started)
  }

  expectNoFailure(await disruption.stop())
  expect(await worker()).toEqual(before)
  expect(times.toSorted((a, b) => a - b)[100]).toBeLessThan(50)
})

test('instances killed the moment nothing is in flight to them fail no request', async () => {
  const { edge, port } = await anEdge()
  let serving = await anApp('i-0')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(serving)] }]))
  const disruption = await startDisruption({ port, host: 'shop.test', rate: 300, kinds: ['new', 'kept'], path: '/slow?ms=20' })

  for (let swap = 1; swap <= 20; swap += 1) {
    const fresh = await anApp(`i-${swap}`)
    await edge.serve(aTable(swap * 2, [{ hosts: ['shop.test'], targets: [target(serving, false), target(fresh)] }]))
    await untilIdle(edge, serving.name)
    expect(serving.inFlight()).toEqual(0)
    await serving.kill()
    await edge.serve(aTable(swap * 2 + 1, [{ hosts: ['shop.test'], targets: [target(fresh)] }]))
    serving = fresh
  }

  expectNoFailure(await disruption.stop())
})

test('an arm that outgrows its class moves to a larger one under load without a failed request', async () => {
  const { edge, port, worker } = await anEdge()
  const apps = await Promise.all(Array.from({ length: 9 }, (_, index) => anApp(`i-${index}`)))
  const few = apps.slice(0, 8).map((app) => target(app))
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: few }]))
  const before = await worker()
  const disruption = await load(port, ['new', 'kept', 'websocket', 'sse', 'upload', 'download'])
  await until('all kinds are in flight', () => apps.some((app) => app.total() > 30))

  disruption.mark('grow')
  await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: apps.map((app) => target(app)) }]))
  await until('the ninth takes traffic', () => (apps[8]?.total() ?? 0) > 10)

  expectNoFailure(await disruption.stop())
  expect(await worker()).toEqual(before)
  expect((await edge.info()).checks.find((check) => check.name === 'pool p32')?.sentence).toContain('1 of 8')
  await edge.serve(aTable(3, [{ hosts: ['shop.test'], targets: apps.map((app) => target(app)) }]))
  expect((await edge.info()).checks.find((check) => check.name === 'pool p8')?.sentence).toContain('0 of 48')
})

test('the pool grows by one reload under load, and requests in the old worker are counted', async () => {
  const { edge, port, worker } = await anEdge({ pool: { http: { 8: 3, 32: 1, 128: 0 }, h2c: { 8: 0, 32: 0, 128: 0 } } })
  const app = await anApp('i-1')
  const shop = { hosts: ['shop.test'], targets: [target(app)] }
  const more = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ hosts: [`more${index}.test`], targets: [{ ...target(app), instance: `m-${index}` }] }))
  await edge.serve(aTable(1, [shop]))
  const before = await worker()
  const disruption = await load(port, ['new', 'kept', 'websocket', 'sse', 'upload', 'download'])
  const slow = ask(port, 'shop.test', { path: '/slow?ms=2000' })
  await until('the slow request is at the app', () => app.inFlight() > 0)

  disruption.mark('reload')
  await edge.serve(aTable(2, [shop, ...more(4)]))
  const after = await worker()
  expect(after).not.toEqual(before)
  expect((await edge.inFlight(['i-1'])).get('i-1')).toBeGreaterThan(0)
  expect((await ask(port, 'more3.test')).body).toEqual('i-1')
  expect((await slow).body).toEqual('i-1')

  expectNoFailure(await disruption.stop())
  expect(await worker()).toEqual(after)
  await untilIdle(edge, 'i-1')
})

test('a worker that cannot be asked keeps everything from being stopped', async () => {
  const { edge, port, running } = await anEdge({ pool: { http: { 8: 2, 32: 0, 128: 0 }, h2c: { 8: 0, 32: 0, 128: 0 } } })
  const app = await anApp('i-1')
  const shop = { hosts: ['shop.test'], targets: [target(app)] }
  await edge.serve(aTable(1, [shop]))
  const socket = new MasterSocket(masterSocketPath(running.config))
  const old = (await socket.workers()).current ?? 0
  const slow = ask(port, 'shop.test', { path: '/slow?ms=7000' }).catch(() => null)
  await until('the slow request is at the app', () => app.inFlight() > 0)
  await edge.serve(aTable(2, [shop, { hosts: ['b.test'], targets: [target(app)] }, { hosts: ['c.test'], targets: [target(app)] }]))
  expect((await socket.workers()).old).toEqual([old])

  process.kill(old, 'SIGSTOP')
  await expect(edge.inFlight(['i-1'])).rejects.toMatchObject({ code: 'edge.worker_silent', retryable: true })
  process.kill(old, 'SIGCONT')

  expect((await edge.inFlight(['i-1'])).get('i-1')).toEqual(1)
  expect((await slow)?.status).toEqual(200)
})

test('an app that dies is counted by the disruption client', async () => {
  const { edge, port } = await anEdge()
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
  const disruption = await startDisruption({ port, host: 'shop.test', rate: 100, kinds: ['new', 'sse', 'websocket'], path: '/slow?ms=300' })
  await until('requests are in flight', () => app.inFlight() > 10)

  disruption.mark('killed')
  await app.kill()
  const report = await disruption.stop()

  expect(report.failed, formatReport(report)).toBeGreaterThan(10)
  expect(Object.keys(report.kinds.new?.reasons ?? {})).toContain('status 502')
})
