import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { anApp } from '../../../test/support/an-app.ts'
import { ask, aTable, type Served, target, upload } from '../../../test/support/edge.ts'
import { until } from '../../../test/support/until.ts'
import type { Candidate } from '../../core/route/route.ts'
import type { EdgeUnderTest } from './contract.ts'

/** What every edge must do with a share of the requests, with a hold, and in counting; `open` as for `edgeContract`. */
export function edgeTrafficContract(open: () => Promise<EdgeUnderTest>): void {
  test('a share of the requests goes to the candidate, in the proportion that was asked for', async () => {
    const { edge, port } = await open()
    const { table } = await twoArms()
    await edge.serve(table({ candidate: share({ percent: 30, sticky: { by: 'request' } }) }))

    const bodies = await Promise.all(Array.from({ length: 400 }, async () => (await ask(port, 'shop.test')).body))

    // 120 expected; five standard deviations are 46.
    const candidates = bodies.filter((body) => body === 'candidate').length
    expect(candidates).toBeGreaterThan(70)
    expect(candidates).toBeLessThan(170)
  })

  test('a visitor with the cookie stays on a side, and a greater share only adds visitors', async () => {
    const { edge, port } = await open()
    const { table } = await twoArms()
    const at = (percent: number, salt = 'd_1') => table({ candidate: share({ percent, sticky: { by: 'cookie' }, salt }) })
    await edge.serve(at(40))
    const visitors = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const { headers, body } = await ask(port, 'shop.test')
        const cookie = headers['set-cookie']?.find((line) => line.startsWith('lockgate_canary=')) ?? ''
        expect(cookie).toMatch(/^lockgate_canary=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
        return { cookie: cookie.split(';')[0] ?? '', body }
      }),
    )
    const again = async (cookie: string) => ask(port, 'shop.test', { headers: { cookie: `theme=dark; ${cookie}` } })
    const sides = async () => Promise.all(visitors.map(async ({ cookie }) => (await again(cookie)).body))
    const before = visitors.map(({ body }) => body)
    expect(new Set(before)).toEqual(new Set(['stable', 'candidate']))
    expect(await sides()).toEqual(before)
    expect((await again(visitors[0]?.cookie ?? '')).headers['set-cookie']).toBeUndefined()

    await edge.serve(at(70))
    const more = await sides()
    expect(more.filter((_, index) => before[index] === 'candidate')).toEqual(before.filter((side) => side === 'candidate'))
    expect(more.filter((side) => side === 'candidate').length).toBeGreaterThan(before.filter((side) => side === 'candidate').length)
    await edge.serve(at(100))
    expect(new Set(await sides())).toEqual(new Set(['candidate']))
    await edge.serve(at(40, 'd_2'))
    expect((await again(visitors[0]?.cookie ?? '')).headers['set-cookie']).toHaveLength(1)
  })

  test('a header keeps who sends it on a side, and who sends none is on the stable one', async () => {
    const { edge, port } = await open()
    const { table } = await twoArms()
    const side = async (user: number) => (await ask(port, 'shop.test', { headers: { 'x-user': `user ${user}` } })).body
    const sides = () => Promise.all(Array.from({ length: 80 }, (_, user) => side(user)))
    const at = (percent: number) => table({ candidate: share({ percent, sticky: { by: 'header', name: 'X-User' } }) })
    await edge.serve(at(50))

    const before = await sides()

    expect(new Set(before)).toEqual(new Set(['stable', 'candidate']))
    expect(await sides()).toEqual(before)
    expect((await ask(port, 'shop.test')).body).toEqual('stable')
    await edge.serve(at(75))
    const more = await sides()
    expect(more.filter((_, index) => before[index] === 'candidate')).toEqual(before.filter((one) => one === 'candidate'))
    await edge.serve(at(100))
    expect((await ask(port, 'shop.test')).body).toEqual('candidate')
    await edge.serve(table({}))
    expect(new Set(await sides())).toEqual(new Set(['stable']))
  })

  test('a candidate without a ready instance gets nothing', async () => {
    const { edge, port } = await open()
    const { table, candidate } = await twoArms()
    const everything = share({ percent: 100, sticky: { by: 'request' } })
    await edge.serve(table({ candidate: everything }))
    expect((await ask(port, 'shop.test')).body).toEqual('candidate')

    await edge.serve(table({ candidate: everything, others: { 'e-1/green': [target(candidate, false)] } }))
    for (let count = 0; count < 10; count += 1) expect((await ask(port, 'shop.test')).body).toEqual('stable')
    await edge.serve(table({ candidate: everything, others: {} }))
    expect((await ask(port, 'shop.test')).body).toEqual('stable')
  })

  test('a hold keeps requests until it is let go of, and those of no other environment', async () => {
    const { edge, port } = await open()
    const [old, fresh, other] = [await anApp('old'), await anApp('fresh'), await anApp('other')]
    const beside = { hosts: ['other.test'], targets: [target(other)] }
    const shop = { hosts: ['shop.test'], arm: 'e-1/blue' }
    await edge.serve(aTable(1, [{ ...shop, targets: [target(old, false)], hold: { boundMs: 60_000, token: 'h_1' } }, beside]))

    const held = Array.from({ length: 5 }, () => ask(port, 'shop.test'))
    await until('five are held', async () => (await edge.held('e-1')) === 5)
    expect((await ask(port, 'other.test')).body).toEqual('other')
    expect([await edge.held('e-other.test'), await edge.held('e-nobody')]).toEqual([0, 0])
    await edge.serve(aTable(2, [{ ...shop, arm: 'e-1/green', targets: [target(fresh)] }, beside]))

    expect((await Promise.all(held)).map((answer) => answer.body)).toEqual(Array.from({ length: 5 }, () => 'fresh'))
    expect(await edge.held('e-1')).toEqual(0)
    expect([old.total(), fresh.total()]).toEqual([0, 5])
  })

  test('a request whose body is sent while it is held arrives whole', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)], hold: { boundMs: 60_000, token: 'h_1' } }]))
    const sent = upload({ port, host: 'shop.test' }, 3_000_000)
    await until('it is held', async () => (await edge.held('e-shop.test')) === 1)

    await edge.serve(aTable(2, [{ hosts: ['shop.test'], targets: [target(app)] }]))

    expect(await sent).toMatchObject({ status: 200, body: '3000000' })
  })

  test('after its bound a hold shows the page, to those who come later at once', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    const page = { state: 'starting', sentence: 'Soon.', retryAfterSeconds: 4 }
    const shop = { hosts: ['shop.test'], targets: [target(app)], page }
    const unavailable = { status: 503, headers: { 'retry-after': '4', 'cache-control': 'no-store' }, body: expect.stringContaining('shop is starting') }
    await edge.serve(aTable(1, [{ ...shop, hold: { boundMs: 400, token: 'h_1' } }]))

    const began = performance.now()
    expect(await ask(port, 'shop.test')).toMatchObject(unavailable)
    const first = performance.now() - began
    expect(await ask(port, 'shop.test')).toMatchObject(unavailable)
    expect(first).toBeGreaterThan(350)
    expect(performance.now() - began - first).toBeLessThan(300)

    await edge.serve(aTable(2, [{ ...shop, hold: { boundMs: 60_000, token: 'h_2' } }]))
    const held = ask(port, 'shop.test')
    await until('another token holds anew', async () => (await edge.held('e-shop.test')) === 1)
    await edge.serve(aTable(3, [shop]))
    expect((await held).body).toEqual('i-1')
  })

  test('a held client that goes away is not counted any more, and its request reaches nobody', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    const shop = { hosts: ['shop.test'], targets: [target(app)] }
    await edge.serve(aTable(1, [{ ...shop, hold: { boundMs: 60_000, token: 'h_1' } }]))
    const client = connect(port, '127.0.0.1').on('error', () => undefined)
    client.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await until('it is held', async () => (await edge.held('e-shop.test')) === 1)

    client.destroy()

    await until('it is forgotten', async () => (await edge.held('e-shop.test')) === 0)
    await edge.serve(aTable(2, [shop]))
    expect((await ask(port, 'shop.test')).body).toEqual('i-1')
    expect(app.total()).toEqual(1)
  })

  test('readings count the requests of each instance, and how many failed', async () => {
    const { edge, port } = await open()
    const [one, two] = [await anApp('i-1'), await anApp('i-2')]
    await edge.serve(
      aTable(1, [
        { hosts: ['shop.test'], targets: [target(one)] },
        { hosts: ['two.test'], targets: [target(two)] },
      ]),
    )
    const read = async (instance: string) => (await edge.readings([instance])).get(instance)
    const before = await read('i-1')

    for (let count = 0; count < 6; count += 1) await ask(port, 'shop.test', { path: count % 3 === 0 ? '/status?code=500' : '/slow?ms=30' })
    await ask(port, 'shop.test', { path: '/status?code=404' })
    await until('all are counted', async () => ((await read('i-1'))?.requests ?? 0) - (before?.requests ?? 0) === 7)

    const after = await read('i-1')
    expect(after?.epoch).toEqual(before?.epoch)
    expect((after?.failures ?? 0) - (before?.failures ?? 0)).toEqual(2)
    expect(after?.answerMs).toBeGreaterThan(0)
    expect([...(await edge.readings(['i-2', 'nobody'])).keys()]).toEqual(['i-2'])
    expect(await read('i-2')).toMatchObject({ requests: 0, failures: 0, answerMs: 0 })
  })

  test('an app that breaks off is a failure', async () => {
    const { edge, port } = await open()
    const app = await anApp('i-1')
    await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
    const slow = Array.from({ length: 3 }, () => ask(port, 'shop.test', { path: '/slow?ms=30000' }).catch(() => null))
    await until('all are at the app', () => app.inFlight() === 3)

    await app.kill()
    await Promise.all(slow)

    await until('they have failed', async () => (await edge.readings(['i-1'])).get('i-1')?.failures === 3)
  })

  test('a share or a hold that is not well-formed is refused', async () => {
    const { edge } = await open()
    const { table } = await twoArms()

    await expect(edge.serve(table({ hold: { boundMs: 1, token: 'a b' } }))).rejects.toMatchObject({ code: 'edge.refused' })
    for (const odd of [share({ salt: 'A|b' }), share({ percent: 101 }), share({ percent: 0 }), share({ sticky: { by: 'header', name: 'a b' } })])
      await expect(edge.serve(table({ candidate: odd }))).rejects.toMatchObject({ code: 'edge.refused' })
  })
}

function share(said: Partial<Candidate> = {}): Candidate {
  return { arm: 'e-1/green', percent: 50, sticky: { by: 'request' }, salt: 'd_1', ...said }
}

/** An environment with an instance on each arm, and its tables of growing generations. */
async function twoArms() {
  const [stable, candidate] = [await anApp('stable'), await anApp('candidate')]
  const others = { 'e-1/green': [target(candidate)] }
  let generation = 0
  const table = (said: Partial<Served>) => {
    generation += 1
    return aTable(generation, [{ hosts: ['shop.test'], arm: 'e-1/blue', targets: [target(stable)], others, ...said }])
  }
  return { stable, candidate, table }
}
