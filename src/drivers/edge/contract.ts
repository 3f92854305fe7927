import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { anApp } from '../../../test/support/an-app.ts'
import { ask, aTable, eventDelays, target } from '../../../test/support/edge.ts'
import { until } from '../../../test/support/until.ts'
import type { Edge } from './types.ts'

export interface EdgeUnderTest {
  readonly edge: Edge
  /** Where it takes HTTP, on 127.0.0.1. */
  readonly port: number
  /** A second driver object for the same data plane, as after a restart of the server. */
  reopen(): Promise<Edge>
}

/** What every edge must do; `open` gives a fresh one that ends with the test. */
export function edgeContract(open: () => Promise<EdgeUnderTest>): void {
  /** An edge that serves one app at shop.test. */
  async function withApp() {
    const opened = await open()
    const app = await anApp('i-1')
    await opened.edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
    return { ...opened, app }
  }

  test('an edge that was never given a table has no generation', async () => {
    const { edge } = await open()

    expect(await edge.generation()).toBeNull()
  })

  test('a table is served when serve resolves, with its generation', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')

    expect(await edge.serve(aTable(7, [{ hosts: ['shop.test'], targets: [target(app)] }]))).toEqual(7)

    expect(await ask(port, 'shop.test')).toMatchObject({ status: 200, body: 'i-1' })
    expect(await edge.generation()).toEqual(7)
  })

  test('the same table twice is the table once', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    const table = aTable(7, [{ hosts: ['shop.test'], targets: [target(app)] }])
    await edge.serve(table)

    expect(await edge.serve(table)).toEqual(7)

    expect(await ask(port, 'shop.test')).toMatchObject({ status: 200, body: 'i-1' })
  })

  test('the longest path prefix wins, and a prefix ends at a slash', async () => {
    const { edge, port } = await open()
    const [site, api, v2] = [await anApp('site'), await anApp('api'), await anApp('v2')]
    await edge.serve(
      aTable(1, [
        { hosts: ['shop.test'], targets: [target(site)] },
        { hosts: ['shop.test/api'], targets: [target(api)] },
        { hosts: ['shop.test/api/v2'], targets: [target(v2)] },
      ]),
    )

    const body = async (path: string) => (await ask(port, 'shop.test', { path })).body
    expect(await body('/')).toEqual('site')
    expect(await body('/api')).toEqual('api')
    expect(await body('/api?x=/api/v2')).toEqual('api')
    expect(await body('/api/')).toEqual('api')
    expect(await body('/api/v1')).toEqual('api')
    expect(await body('/api/v2/things')).toEqual('v2')
    expect(await body('/apix')).toEqual('site')
  })

  test('a hostname is found whatever its case, port and last dot', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    await edge.serve(aTable(1, [{ hosts: ['shop.test/api'], targets: [target(app)] }]))

    for (const host of ['SHOP.test', `shop.test:${port}`, 'Shop.Test.:80']) expect((await ask(port, host, { path: '/api' })).body).toEqual('i-1')
  })

  test('an exact hostname wins over a wildcard, and a wildcard stands for one label', async () => {
    const { edge, port } = await open()
    const [exact, wild] = [await anApp('exact'), await anApp('wild')]
    await edge.serve(
      aTable(1, [
        { hosts: ['a.preview.test'], targets: [target(exact)] },
        { hosts: ['*.preview.test'], targets: [target(wild)] },
      ]),
    )

    expect((await ask(port, 'a.preview.test')).body).toEqual('exact')
    expect((await ask(port, 'b.preview.test')).body).toEqual('wild')
    expect((await ask(port, 'c.b.preview.test')).status).toEqual(404)
    expect((await ask(port, 'preview.test')).status).toEqual(404)
  })

  test('an unknown hostname gets a page that does not repeat it', async () => {
    const { edge, port } = await open()
    await edge.serve(aTable(1, []))

    const answer = await ask(port, 'evil.test')

    expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } })
    expect(answer.body).not.toContain('evil')
  })

  test('an environment without instances shows its state, and when to come back', async () => {
    const { edge, port } = await open()
    const page = { state: 'stopped', sentence: 'Ada stopped it; 100% <b>"sure"</b> & é.', retryAfterSeconds: 17 }
    await edge.serve(aTable(1, [{ hosts: ['shop.test', 'shop.test/api'], targets: [], title: 'shop (staging)', page }]))

    const answer = await ask(port, 'shop.test', { path: '/api/x' })

    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '17', 'cache-control': 'no-store', 'content-type': 'text/html; charset=utf-8' } })
    expect(answer.body).toContain('shop (staging) is stopped')
    expect(answer.body).toContain('Ada stopped it; 100% ')
    expect(answer.body).toContain('é.')
    expect(answer.body).not.toContain('<b>')
  })

  test('an environment whose instances are all out of traffic shows its state', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app, false)] }]))

    expect(await ask(port, 'shop.test')).toMatchObject({ status: 503, headers: { 'retry-after': '3' }, body: expect.stringContaining('shop is starting') })
    expect(app.total()).toEqual(0)
  })

  test('a new instance takes traffic at once', async () => {
    const { edge, port } = await open()
    const [one, two] = [await anApp('i-1'), await anApp('i-2')]
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(one)] }]))

    await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(one), target(two)] }]))
    const bodies = new Set<string>()
    for (let count = 0; count < 40; count += 1) bodies.add((await ask(port, 'shop.test')).body)

    expect([...bodies].sort()).toEqual(['i-1', 'i-2'])
  })

  test('switching the route from one arm to the other moves all new requests', async () => {
    const { edge, port } = await open()
    const [blue, green] = [await anApp('blue'), await anApp('green')]
    const both = { others: { 'e-1/green': [target(green)] } }
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], arm: 'e-1/blue', targets: [target(blue)], ...both }]))
    expect((await ask(port, 'shop.test')).body).toEqual('blue')

    await edge.serve(aTable(2, [{ hosts: ['shop.test'], arm: 'e-1/green', targets: [target(green)], others: { 'e-1/blue': [target(blue)] } }]))

    expect((await ask(port, 'shop.test')).body).toEqual('green')
    expect(blue.total()).toEqual(1)
  })

  test('out of traffic means no new request, and what is in flight is counted until it ends', async () => {
    const { edge, port } = await open()
    const [old, fresh] = [await anApp('old'), await anApp('fresh')]
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(old)] }]))
    const slow = [ask(port, 'shop.test', { path: '/slow?ms=700' }), ask(port, 'shop.test', { path: '/slow?ms=700' })]
    await until('both requests are at the app', () => old.inFlight() === 2)

    await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(old, false), target(fresh)] }]))

    expect(Object.fromEntries(await edge.inFlight(['old', 'fresh', 'nobody']))).toEqual({ old: 2, fresh: 0, nobody: 0 })
    expect((await ask(port, 'shop.test')).body).toEqual('fresh')
    expect((await Promise.all(slow)).map((answer) => answer.body)).toEqual(['old', 'old'])
    await until('nothing is in flight', async () => (await edge.inFlight(['old'])).get('old') === 0)
    expect(old.total()).toEqual(2)
  })

  test('an instance that left the table is still counted until its requests end', async () => {
    const { edge, port } = await open()
    const [old, fresh] = [await anApp('old'), await anApp('fresh')]
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(old)] }]))
    const slow = ask(port, 'shop.test', { path: '/slow?ms=500' })
    await until('the request is at the app', () => old.inFlight() === 1)

    await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(fresh)] }]))

    expect((await edge.inFlight(['old'])).get('old')).toEqual(1)
    expect((await slow).body).toEqual('old')
    await until('nothing is in flight', async () => (await edge.inFlight(['old'])).get('old') === 0)
  })

  test('cut ends what is in flight and says how many', async () => {
    const { edge, port, app } = await withApp()
    const outcome = ask(port, 'shop.test', { path: '/slow?ms=30000' }).then(
      (answer) => answer.status,
      () => 'broken off',
    )
    await until('the request is at the app', () => app.inFlight() === 1)
    await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(app, false)] }]))

    expect(await edge.cut('i-1')).toEqual(1)

    await until('nothing is in flight', async () => (await edge.inFlight(['i-1'])).get('i-1') === 0)
    expect(await outcome).not.toEqual(200)
  })

  test('an instance at a new address is asked there', async () => {
    const { edge, port } = await open()
    const [before, after] = [await anApp('before'), await anApp('after')]
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [{ ...target(before), instance: 'i-1' }] }]))

    await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [{ ...target(after), instance: 'i-1' }] }]))

    expect((await ask(port, 'shop.test')).body).toEqual('after')
  })

  test('a route that is taken away is unknown', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    await edge.serve(aTable(1, [{ hosts: ['shop.test', 'other.test'], targets: [target(app)] }]))

    await edge.serve(aTable(2, [{ hosts: ['other.test'], arm: 'e-shop.test/blue', targets: [target(app)] }]))

    expect((await ask(port, 'shop.test')).status).toEqual(404)
    expect((await ask(port, 'other.test')).body).toEqual('i-1')
  })

  test('a restarted server finds the edge serving, and goes on', async () => {
    const { edge, port, reopen } = await open()
    const [one, two] = [await anApp('i-1'), await anApp('i-2')]
    await edge.serve(aTable(3, [{ hosts: ['shop.test'], targets: [target(one)] }]))
    const slow = ask(port, 'shop.test', { path: '/slow?ms=400' })
    await until('the request is at the app', () => one.inFlight() === 1)

    const again = await reopen()

    expect(await again.generation()).toEqual(3)
    expect((await again.inFlight(['i-1'])).get('i-1')).toEqual(1)
    expect(await again.serve(aTable(4, [{ hosts: ['shop.test'], targets: [target(one, false), target(two)] }]))).toEqual(4)
    expect((await again.inFlight(['i-1'])).get('i-1')).toEqual(1)
    expect((await ask(port, 'shop.test')).body).toEqual('i-2')
    expect((await slow).status).toEqual(200)
  })

  test('what a client says of where it comes from is replaced', async () => {
    const { port } = await withApp()
    const lies = Object.fromEntries(
      ['X-Forwarded-For', 'x-forwarded-proto', 'x-forwarded-prefix', 'forwarded', 'x-real-ip', 'x-request-id'].map((name) => [name, 'a lie']),
    )

    const answer = await ask(port, 'shop.test', { path: '/headers', headers: lies })

    const seen: unknown = JSON.parse(answer.body)
    expect(seen).toMatchObject({
      host: 'shop.test',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.test',
      'x-forwarded-port': String(port),
      'x-real-ip': '127.0.0.1',
      'x-request-id': expect.stringMatching(/^[0-9a-zA-Z-]{8,40}$/),
    })
    expect(seen).not.toHaveProperty('forwarded')
    expect(seen).not.toHaveProperty('x-forwarded-prefix')
    expect(answer.headers['x-request-id']).toEqual((seen as Record<string, string>)['x-request-id'])
  })

  test('a WebSocket passes and is counted as in flight', async () => {
    const { edge, port } = await withApp()
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host: 'shop.test' } })
    const echoed = new Promise((resolve, reject) => socket.on('message', (data) => resolve(data.toString())).on('error', reject))
    socket.on('open', () => socket.send('hello'))

    expect(await echoed).toEqual('hello')
    expect((await edge.inFlight(['i-1'])).get('i-1')).toEqual(1)
    socket.close()
    await until('nothing is in flight', async () => (await edge.inFlight(['i-1'])).get('i-1') === 0)
  })

  test('events arrive when they are sent, not when the stream ends', async () => {
    const { port } = await withApp()
    const delays = await eventDelays(port, 'shop.test')

    expect(delays).toHaveLength(5)
    expect(Math.max(...delays)).toBeLessThan(90)
  })

  test('a table that is not well-formed is refused', async () => {
    const { edge } = await open()
    const broken = aTable(1, [{ hosts: ['shop.test'], targets: [{ instance: 'i-1', address: 'not an address; shutdown', port: 80, ready: true }] }])

    await expect(edge.serve(broken)).rejects.toMatchObject({ code: 'edge.refused' })
  })

  test('doctor is told that it answers, and what it serves', async () => {
    const { edge } = await open()
    await edge.serve(aTable(5, []))

    const info = await edge.info()

    expect(info.generation).toEqual(5)
    expect(info.checks.length).toBeGreaterThan(0)
    expect(info.checks.filter((check) => !check.ok)).toEqual([])
  })
}
