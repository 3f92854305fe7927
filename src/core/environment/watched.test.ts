// What goes wrong after a release went live is the release's: it goes back within seconds, and is never gone back to.
import { expect, onTestFinished, test } from 'vitest'
import { ADA, aCore, type Core } from '../../../test/support/core.ts'
import { until } from '../../../test/support/until.ts'
import { pause } from '../../lib/clock.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { restart } from '../deployment/operate.ts'
import { rollback } from '../deployment/rollback.ts'

const rollbacks = (core: Core) => core.context.store.read.deployments.list(EVERYTHING, { where: { verb: 'rollback' } })
const releases = (core: Core) => core.context.store.read.releases.list(EVERYTHING, { orderBy: 'number' })

test.each([
  ['crash-loops', 'fake:exits-3+after-400ms', /^r2 was not well: web\.0 \(set 2\) crashed 2 times/, '127.180.0.0/16'],
  ['is killed for its memory', 'fake:oom+after-400ms', /^r2 was not well: web\.0 \(set 2\) was killed because it used more memory/, '127.181.0.0/16'],
  ['does not answer any more', 'fake:good+after-400ms', /^r2 was not well: web\.0 \(set 2\) does not answer health checks any more/, '127.182.0.0/16'],
])('a release that %s after it went live goes back without a single visitor', async (...[, image, reason, range]) => {
  const core = await aCore(range)
  const environment = await core.anApp('shop')
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1'))

  expect((await core.ended(await core.deploy(environment, image))).status).toBe('succeeded')
  await until('it goes back', async () => (await rollbacks(core))[0]?.status === 'succeeded')

  expect((await core.environment(environment.id)).wish.releaseId).toBe(first.wish.releaseId)
  expect((await core.context.store.read.pins.list(EVERYTHING))[0]?.reason).toMatch(reason)
  expect((await releases(core))[1]).toMatchObject({ provenAt: null, fault: expect.any(String), liveAt: expect.any(Number) })
  expect((await core.ask('shop')).status).toBe(200)
})

test('requests that the edge answers itself, because no instance is there, are failures of the watched release', async () => {
  const core = await aCore('127.183.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1', { watch: { rollback: false } }))
  await core.ended(await core.deploy(environment, 'fake:good+v2', { watch: { rollback: false } }))
  const { edge, store } = core.context
  let failures = 0
  Object.assign(edge, {
    unanswered: async (arms: readonly string[]) => new Map(arms.map((arm) => [arm, { epoch: 'e', requests: failures, failures, answerMs: 0 }])),
  })
  await until('it is looked at', async () => (await core.environment(environment.id)).watch?.unanswered?.epoch === 'e')

  failures = 40

  await until('it is found', async () => (await core.environment(environment.id)).watch?.worse !== null)
  expect((await core.environment(environment.id)).watch).toMatchObject({
    worse: expect.stringMatching(/^r2 answers worse: 40 of 4\d requests/),
    sample: { failures: 40 },
  })
  expect((await store.read.releases.list(EVERYTHING, { where: { number: 2 } }))[0]?.provenAt).toBe(null)
})

test('a release is proven when its window has passed, also over a restart, and not before', async () => {
  const core = await aCore('127.184.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1', { watch: { for: '2s' } }))
  expect((await releases(core))[0]).toMatchObject({ liveAt: expect.any(Number), provenAt: null })

  await core.ended(await restart(core.context, { actor: ADA, environment: await core.environment(environment.id) }))
  expect((await core.environment(environment.id)).watch).not.toBe(null)
  await until('the window is over', async () => (await core.environment(environment.id)).watch === null)

  expect((await releases(core))[0]?.provenAt).not.toBe(null)
})

test('a release is proven also when a deployment in its window failed', async () => {
  const core = await aCore('127.191.0.0/16')
  const environment = await core.anApp('shop')
  const short = { watch: { for: '1s' } }
  await core.ended(await core.deploy(environment, 'fake:good+v1', short))
  expect((await core.ended(await core.deploy(environment, 'fake:exits-3', short))).status).toBe('failed')

  await until('it is proven', async () => (await releases(core))[0]?.provenAt !== null)
})

test('a rollback passes over a release that ran out of memory, and over one that was replaced before it was proven', async () => {
  const core = await aCore('127.185.0.0/16')
  const environment = await core.anApp('shop')
  const short = { watch: { for: '300ms' } }
  await core.ended(await core.deploy(environment, 'fake:good+v1', short))
  await until('r1 is proven', async () => (await releases(core))[0]?.provenAt !== null)
  await core.ended(await core.deploy(environment, 'fake:good+v2', { watch: { for: '1h', rollback: false } }))
  await core.ended(await core.deploy(environment, 'fake:oom+after-400ms', { watch: { for: '1h', rollback: false } }))
  await until('it is found', async () => (await releases(core))[2]?.fault !== null)
  await core.ended(await core.deploy(environment, 'fake:good+v4', { watch: { for: '1h' } }))

  const { to } = await rollback(core.context, { actor: ADA, environment: await core.environment(environment.id), to: null })

  expect(to.number).toBe(1)
})

test('where the only older release ran out of memory there is nothing to go back to', async () => {
  const core = await aCore('127.186.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:oom+after-600ms'))
  await until('it is found', async () => (await releases(core))[0]?.fault !== null)
  await core.ended(await core.deploy(environment, 'fake:good+v2'))

  await expect(rollback(core.context, { actor: ADA, environment: await core.environment(environment.id), to: null })).rejects.toMatchObject({
    code: 'deployment.no_rollback_target',
  })
})

test('a visitor of a crash-looping release reads errors for seconds only', async () => {
  const core = await aCore('127.187.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1'))
  const seen: number[] = []
  let isOver = false
  onTestFinished(() => {
    isOver = true
  })
  const visit = async (): Promise<void> => {
    while (!isOver) {
      seen.push((await core.ask('shop').catch(() => ({ status: 0 }))).status)
      await pause(20)
    }
  }
  void visit()

  await core.ended(await core.deploy(environment, 'fake:exits-3+after-400ms'))
  await until('it goes back', async () => (await rollbacks(core))[0]?.status === 'succeeded')
  const before = seen.length
  await until('visitors came afterwards', () => seen.length > before + 50)

  expect(seen.slice(before + 5).filter((status) => status !== 200)).toEqual([])
})
