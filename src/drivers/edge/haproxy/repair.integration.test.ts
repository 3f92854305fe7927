// The only instance of an app dies: what comes until it is back waits in the edge, and only what was in flight fails.
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { startAppServer, startH2cAppServer } from '../../../../test/support/app-server.ts'
import { ask, aTable, echo, target } from '../../../../test/support/edge.ts'
import { freePort, startHaproxy } from '../../../../test/support/haproxy.ts'
import { socketApp } from '../../../../test/support/socket-app.ts'
import { until } from '../../../../test/support/until.ts'
import { pause } from '../../../lib/clock.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

const REPAIR_MS = 10_000

async function served(repairMs = REPAIR_MS) {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await anApp('i-1')
  const table = (generation: number) => aTable(generation, [{ hosts: ['shop.test'], targets: [target(app)], repairMs }])
  await edge.serve(table(1))
  return { edge, app, table, port: running.config.httpPort, back: () => startAppServer('i-1', app.port).then((again) => onTestFinished(() => again.kill())) }
}

/** A visitor every 20 ms, each on a connection of its own; their answers. */
function visitors(port: number) {
  const answers: Promise<number | string>[] = []
  const timer = setInterval(() => {
    answers.push(
      ask(port, 'shop.test').then(
        ({ status }) => status,
        (error: unknown) => String(error),
      ),
    )
  }, 20)
  return async () => {
    clearInterval(timer)
    return Promise.all(answers)
  }
}

test.each([500, 1_500, 3_500])(
  'nobody who comes while the only instance is away for %i ms is refused',
  async (ms) => {
    const { edge, app, table, port, back } = await served()
    const stop = visitors(port)
    await pause(200)

    await app.kill()
    await pause(ms)
    await back()
    // As the server does when its probes find the instance ready.
    if ((await edge.takenOut()).length > 0) await edge.serve(table(2))
    await until('it answers', async () => (await ask(port, 'shop.test')).status === 200)

    expect((await stop()).filter((answer) => answer !== 200).length).toBeLessThanOrEqual(1)
  },
  30_000,
)

test('what was in traffic and has no instance at all is waited for too, and beyond the bound its page is shown at once', async () => {
  const { edge, app, port } = await served(1_500)
  await edge.serve(aTable(2, [{ hosts: ['shop.test'], arm: 'e-shop.test/blue', targets: [], repairMs: 1_500 }]))

  const began = performance.now()
  expect((await ask(port, 'shop.test')).status).toEqual(503)
  expect(performance.now() - began).toBeGreaterThan(1_400)
  const later = performance.now()
  expect((await ask(port, 'shop.test')).body).toContain('shop is starting')
  expect(performance.now() - later).toBeLessThan(500)

  await edge.serve(aTable(3, [{ hosts: ['shop.test'], arm: 'e-shop.test/blue', targets: [target(app)], repairMs: 1_500 }]))
  expect((await ask(port, 'shop.test')).status).toEqual(200)
  await pause(1_500)
  await edge.serve(aTable(4, [{ hosts: ['shop.test'], arm: 'e-shop.test/blue', targets: [], repairMs: 60_000 }]))
  const held = ask(port, 'shop.test')
  await until('the next loss is waited for again', async () => (await edge.held('e-shop.test')) === 1)
  await edge.serve(aTable(5, [{ hosts: ['shop.test'], arm: 'e-shop.test/blue', targets: [target(app)], repairMs: 60_000 }]))
  expect((await held).status).toEqual(200)
}, 30_000)

test('a request over HTTP/2 waits as well, and its body arrives', async () => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await startH2cAppServer('rpc')
  onTestFinished(() => app.kill())
  const dead = { instance: 'i-0', address: '127.0.0.1', port: await freePort(), ready: true }
  const rpc = { hosts: ['rpc.test'], protocol: 'h2c' as const, repairMs: REPAIR_MS }
  await edge.serve(aTable(1, [{ ...rpc, targets: [dead] }]))

  const sent = echo({ port: running.config.httpPort, host: 'rpc.test' }, Buffer.alloc(100_000, 'x'))
  await until('it waits', async () => (await edge.held('e-rpc.test')) === 1, 15_000)
  await edge.serve(aTable(2, [{ ...rpc, targets: [target(app)] }]))

  expect(await sent).toBe(100_000)
}, 40_000)

test('an environment that is not being repaired shows its page at once', async () => {
  const { edge, app, port } = await served(0)
  await app.kill()
  await ask(port, 'shop.test')
  await until('the check has taken it out', async () => (await edge.takenOut()).includes('i-1'))

  const began = performance.now()
  expect((await ask(port, 'shop.test')).status).toEqual(503)
  expect(performance.now() - began).toBeLessThan(500)
})

test('while the server is silent the edge puts an instance in again that answers, and only then', async () => {
  const { edge, app, port, back } = await served(0)
  await app.kill()
  await ask(port, 'shop.test')
  await until('the check has taken it out', async () => (await edge.takenOut()).includes('i-1'))
  await back()
  // The server is there, and has not put it in again.
  for (let look = 0; look < 4; look += 1) {
    await pause(1_500)
    await edge.takenOut()
    expect((await ask(port, 'shop.test')).status).toEqual(503)
  }

  await until('the edge does it by itself', async () => (await ask(port, 'shop.test')).status === 200, 15_000)
}, 40_000)

/** An app that closes a connection 100 ms after its last answer: just when a visitor's next request comes. */
function impatientApp(): Promise<number> {
  return socketApp((socket) => {
    let timer: NodeJS.Timeout | undefined
    socket.on('data', (data) => {
      clearTimeout(timer)
      const closes = /^connection: close/im.test(String(data))
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${closes ? 'Connection: close\r\n' : ''}\r\nok`)
      if (closes) socket.end()
      else timer = setTimeout(() => socket.destroy(), 100)
    })
  })
}

test('no POST meets a connection that the app closes just then', async () => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const port = await impatientApp()
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [{ instance: 'i-1', address: '127.0.0.1', port, ready: true }] }]))
  const visitor = async (): Promise<number[]> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const statuses: number[] = []
    for (let count = 0; count < 20; count += 1) {
      const order = request({ host: '127.0.0.1', port: running.config.httpPort, method: 'POST', agent, headers: { host: 'shop.test', 'content-length': 5 } })
      order.end('order')
      const [response] = (await once(order, 'response')) as [IncomingMessage]
      await once(response.resume(), 'end')
      statuses.push(response.statusCode ?? 0)
      await pause(100)
    }
    return statuses
  }

  const statuses = (await Promise.all(Array.from({ length: 20 }, visitor))).flat()

  expect(statuses.filter((status) => status !== 200)).toEqual([])
}, 30_000)
