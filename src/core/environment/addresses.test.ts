// Addresses that lead nowhere, or to somebody else.
import { expect, test } from 'vitest'
import { ADA, aCore } from '../../../test/support/core.ts'
import { until } from '../../../test/support/until.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { scale } from '../deployment/operate.ts'

test('an instance whose network was deleted is made anew within seconds, without a deployment', async () => {
  const core = await aCore('127.188.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good', { drain: { deadline: '60s' } }))
  const [before] = await core.context.runtime.observe(environment.id)
  const began = performance.now()

  core.knobs.detached.add(before?.name ?? '')
  await until('it is attached again', async () =>
    (await core.context.runtime.observe(environment.id)).every((one) => one.isAttached !== false && one.state === 'running'),
  )
  await until('it answers', async () => (await core.ask('shop')).status === 200)

  expect(performance.now() - began).toBeLessThan(8_000)
  expect(await core.context.store.read.deployments.list(EVERYTHING)).toHaveLength(1)
})

test('an address that something else has is left to it, and the instance gets another', async () => {
  const core = await aCore('127.189.0.0/16')
  const environment = await core.anApp('shop')
  core.knobs.foreign = ['127.189.0.3', '127.189.0.4']

  expect((await core.ended(await core.deploy(environment, 'fake:good+v1'))).status).toBe('succeeded')
  expect((await core.context.runtime.observe(environment.id))[0]?.address).toBe('127.189.0.5')

  // Taken while the instance was away: it comes again somewhere else.
  const [live] = await core.context.runtime.observe(environment.id)
  core.knobs.foreign = ['127.189.0.5']
  core.knobs.vanish(live?.name ?? '')
  await until('it answers again', async () => (await core.ask('shop')).status === 200)
  expect((await core.context.runtime.observe(environment.id))[0]?.address).not.toBe('127.189.0.5')
})

test('more instances than a network has addresses for are refused before anything is begun', async () => {
  const core = await aCore('127.190.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good', { strategy: 'blue-green' }))
  const now = await core.environment(environment.id)

  await expect(scale(core.context, { actor: ADA, environment: now, count: 27 })).rejects.toThrow(
    expect.objectContaining({ code: 'deployment.count_out_of_range', message: expect.stringMatching(/27 instances by blue-green .*: 26 at most/) }),
  )
  await expect(scale(core.context, { actor: ADA, environment: { ...now, strategy: { kind: 'rolling', surge: 8 } }, count: 45 })).rejects.toThrow(/44 at most/)
})
