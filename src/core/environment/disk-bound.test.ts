import { expect, test } from 'vitest'
import { aCore } from '../../../test/support/core.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { boundDisks } from './disk-bound.ts'

test('an instance that wrote more than its limit is replaced with the reason said, the others stay', async () => {
  const core = await aCore(`127.${190 + (process.pid % 30)}.0.0/16`)
  const environment = await core.anApp('writer')
  await core.ended(await core.deploy(environment, 'fake:good+v1', { limits: { disk: '64MB' } }))
  const { read } = core.context.store
  const running = async () => (await core.context.runtime.observe(environment.id)).map(({ name, startedAt }) => ({ name, startedAt }))
  const [before] = await running()

  core.knobs.written.set(before?.name ?? '', 60 * 1024 ** 2)
  await boundDisks(core.context)
  expect(await running(), 'below its limit').toEqual([before])

  core.knobs.written.set(before?.name ?? '', 70 * 1024 ** 2)
  await boundDisks(core.context)
  core.knobs.written.clear()

  await expect.poll(async () => (await running())[0]?.startedAt !== before?.startedAt && (await core.ask('writer')).status, { timeout: 20_000 }).toBe(200)
  const events = await read.events.list(EVERYTHING, { where: { kind: 'instance.disk_exceeded' } })
  expect(events.map((event) => event.data)).toEqual([{ instance: 'web.0 (set 1)', writtenMb: 70, limitMb: 64 }])
  expect((await read.instances.list(EVERYTHING, { where: { removedAt: null } }))[0]?.fault).toBeNull()
})
