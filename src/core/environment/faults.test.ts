// What surrounds the core goes away, or has another idea of the time.
import { expect, test } from 'vitest'
import { ADA, aCore } from '../../../test/support/core.ts'
import { until } from '../../../test/support/until.ts'
import { systemClock } from '../../lib/clock.ts'
import { restart } from '../deployment/operate.ts'
import { addDomain } from '../route/domain.ts'
import type { HostName, PathPrefix } from '../route/route.ts'

const HOUR = 3_600_000

test.each([
  ['ahead of', HOUR],
  ['behind', -HOUR],
  ['a year ahead of', 365 * 24 * HOUR],
])('our clock is %s the engine: releases come, and one that exits at once is not tried again until its deadline', async (_how, ms) => {
  const core = await aCore('127.231.0.0/16', { clock: { ...systemClock, now: () => Date.now() + ms } })
  const environment = await core.anApp('shop')

  const good = await core.ended(await core.deploy(environment, 'fake:good'))
  const bad = await core.ended(await core.deploy(environment, 'fake:exits-3', { health: { interval: '50ms', start_deadline: '60s', rise: 1 } }))

  expect(good.status).toBe('succeeded')
  expect(bad).toMatchObject({ status: 'failed', cause: 'instance_exited', report: { exitCode: 3 } })
  expect((await core.ask('shop')).status).toBe(200)
})

test('a deployment that is queued while the engine is away says why', async () => {
  const core = await aCore('127.232.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good'))
  core.knobs.unreachable = true
  const deployment = await restart(core.context, { actor: ADA, environment })

  const waiting = await core.once(deployment, (now) => now.blocked !== null)
  core.knobs.unreachable = false

  expect(waiting).toMatchObject({ status: 'queued', blocked: expect.stringMatching(/^waits: The fake engine does not answer/) })
  expect(await core.ended(deployment)).toMatchObject({ status: 'succeeded', blocked: null })
})

test('a deployment gives up on an engine that stays away, and what was there is brought back when it comes', async () => {
  const time = { addedMs: 0, passes: 0 }
  const clock = { ...systemClock, monotonic: () => performance.now() + time.addedMs + time.passes++ * (time.addedMs > 0 ? 40_000 : 0) }
  const core = await aCore('127.233.0.0/16', { clock })
  const environment = await core.anApp('shop')
  const good = await core.ended(await core.deploy(environment, 'fake:good'))
  const slow = await core.deploy(environment, 'fake:slow-60s', { health: { interval: '50ms', start_deadline: '90s', rise: 1 } })
  await until('the slow one starts', async () => (await core.context.runtime.observe(environment.id)).length === 2)

  core.knobs.unreachable = true
  // From now on 40 s pass between two looks at the clock.
  time.addedMs = 1
  const given = await core.ended(slow)
  core.knobs.unreachable = false

  expect(given).toMatchObject({ status: 'failed', cause: 'unavailable', message: expect.stringMatching(/^gave up after 15 m: The fake engine/) })
  await until('only what was there runs', async () => (await core.context.runtime.observe(environment.id)).every((one) => one.set === good.wish.set))
  expect((await core.ask('shop')).status).toBe(200)
})

test('an app that answers only to its own name is probed under the first one that was added, or under health.host', async () => {
  const core = await aCore('127.236.0.0/16')
  const environment = await core.anApp('shop')
  const health = { path: '/up', interval: '50ms', start_deadline: '500ms', rise: 1 }

  const stranger = await core.ended(await core.deploy(environment, 'fake:host-my.real.host', { health }))
  const told = await core.ended(await core.deploy(environment, 'fake:host-my.real.host', { health: { ...health, host: 'my.real.host' } }))
  await addDomain(core.context, { actor: ADA, environment: await core.environment(environment.id), host: 'my.own.host' as HostName, path: '/' as PathPrefix })
  const own = await core.ended(await core.deploy(environment, 'fake:host-my.own.host', { health }))

  expect(stranger).toMatchObject({ status: 'failed', cause: 'start_deadline', report: { lastProbe: 'GET /up → 400 (Host: shop.localhost)' } })
  expect([told.status, own.status]).toEqual(['succeeded', 'succeeded'])
})

test('a release is refused while the disk of the engine is full, before anything moved, and what serves serves on', async () => {
  const core = await aCore('127.234.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1'))
  core.knobs.freeBytes = 20 * 1024 ** 2

  const refused = await core.ended(await core.deploy(environment, 'fake:good+v2'))
  core.knobs.freeBytes = 200 * 1024 ** 2
  const passed = await core.ended(await core.deploy(environment, 'fake:good+v2'))

  expect(refused).toMatchObject({ status: 'failed', cause: 'check_failed', message: expect.stringMatching(/only 20 MB free.*lockgate disk --clean/) })
  expect(passed.status).toBe('succeeded')
  expect((await core.ask('shop')).status).toBe(200)
})
