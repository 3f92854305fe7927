import { expect, onTestFinished, test } from 'vitest'
import { ADA, aCore, type Core } from '../../../test/support/core.ts'
import { until } from '../../../test/support/until.ts'
import { pause } from '../../lib/clock.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { cancelDeployment } from '../deployment/cancel.ts'
import { pauseDeployment, resumeDeployment } from '../deployment/pause.ts'
import { rollback } from '../deployment/rollback.ts'

/** Asks all the time, `at` once; the statuses it was answered with. */
function visitors(core: Core, name: string, at = 4): Map<number, number> {
  const seen = new Map<number, number>()
  let ended = false
  onTestFinished(() => {
    ended = true
  })
  const one = async (): Promise<void> => {
    while (!ended) {
      const { status } = await core.ask(name).catch(() => ({ status: 0 }))
      seen.set(status, (seen.get(status) ?? 0) + 1)
      await pause(5)
    }
  }
  for (let count = 0; count < at; count++) void one()
  return seen
}

const TCP = { health: { kind: 'tcp', interval: '50ms', start_deadline: '2s', rise: 1 } }
const canary = (words: object = {}) => ({ strategy: { kind: 'canary', steps: [30, 60], soak: '1s', least: 5, ...words } })
const stepsOf = async (core: Core, id: string) =>
  (await core.context.store.read.steps.list(EVERYTHING, { where: { deploymentId: id }, orderBy: 'seq' })).map((step) => step.kind)

test('recreate: the old ones have gone before the new ones come, and nobody is refused', async () => {
  const core = await aCore('127.241.0.0/16')
  const environment = await core.anApp('shop')
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1', { strategy: 'recreate' }))
  const seen = visitors(core, 'shop')
  const second = await core.deploy(environment, 'fake:slow-300ms+v2', { strategy: 'recreate' })

  let together = 0
  for (
    let status = 'queued';
    status === 'queued' || status === 'running';
    status = (await core.context.store.read.deployments.get(EVERYTHING, second.id)).status
  ) {
    const sets = new Set((await core.context.runtime.observe(environment.id)).filter((one) => one.state === 'running').map((one) => one.set))
    if (sets.has(first.wish.set) && sets.has(second.number)) together++
    await pause(5)
  }

  expect((await core.ended(second)).status).toBe('succeeded')
  expect(together).toBe(0)
  expect([...seen.keys()]).toEqual([200])
  expect(await stepsOf(core, second.id)).toEqual(['check', 'hold', 'stop-traffic', 'stop', 'remove', 'update', 'start', 'resume-traffic', 'end-hold'])
  expect((await core.environment(environment.id)).hold).toBe(null)
})

test('recreate that cannot start goes back, and lets those who wait go on', async () => {
  const core = await aCore('127.242.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1', { strategy: 'recreate' }))
  const seen = visitors(core, 'shop')

  const bad = await core.ended(await core.deploy(environment, 'fake:exits-3', { strategy: 'recreate' }))

  expect(bad).toMatchObject({ status: 'failed', cause: 'instance_exited' })
  expect([...seen.keys()]).toEqual([200])
  expect((await core.environment(environment.id)).hold).toBe(null)
})

test('recreate: beyond the bound visitors read that it is being updated', async () => {
  const core = await aCore('127.243.0.0/16')
  const environment = await core.anApp('shop')
  const strategy = { kind: 'recreate', hold: '100ms' }
  await core.ended(await core.deploy(environment, 'fake:good+v1', { strategy }))
  const slow = await core.deploy(environment, 'fake:slow-60s', { strategy })
  await until('requests are held', async () => (await core.environment(environment.id)).hold !== null)

  let page = { status: 200, body: '' }
  await until('the page is shown', async () => {
    page = await core.ask('shop')
    return page.status === 503
  })

  expect(page.body).toContain('being updated')
  await cancelDeployment(core.context, { actor: ADA, id: slow.id })
  expect((await core.ended(slow)).status).toBe('cancelled')
  expect((await core.ask('shop')).status).toBe(200)
})

test('a canary that answers well goes through every share to the end', async () => {
  const core = await aCore('127.244.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1', canary()))
  const seen = visitors(core, 'shop')

  const second = await core.ended(await core.deploy(environment, 'fake:good+v2', canary()))

  expect(second.status).toBe('succeeded')
  expect((await stepsOf(core, second.id)).filter((kind) => kind === 'shift-traffic' || kind === 'soak' || kind === 'switch')).toEqual([
    ...['shift-traffic', 'soak', 'shift-traffic', 'soak'],
    'switch',
  ])
  expect([...seen.keys()]).toEqual([200])
  const soaks = await core.context.store.read.steps.list(EVERYTHING, { where: { deploymentId: second.id, kind: 'soak' }, orderBy: 'seq' })
  expect(soaks.map((soak) => soak.numbers.percent)).toEqual([30, 60])
  for (const { numbers } of soaks) expect([numbers.requests ?? 0, numbers.oldRequests ?? 0].every((requests) => requests >= 5)).toBe(true)
})

test('a canary that answers worse goes back by itself, and is pinned', async () => {
  const core = await aCore('127.245.0.0/16')
  const environment = await core.anApp('shop')
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1', { ...TCP, ...canary() }))
  visitors(core, 'shop', 8)

  const bad = await core.ended(await core.deploy(environment, 'fake:answers-500+v2', { ...TCP, ...canary({ soak: '30s' }) }))

  expect(bad).toMatchObject({ status: 'failed', cause: 'answers_worse' })
  expect(bad.message).toMatch(/^r2 at 30 % answers worse: \d+ of \d+ requests to it failed, 0 of \d+ to the one before$/)
  expect((await core.environment(environment.id)).wish).toEqual(first.wish)
  expect(await core.context.store.read.pins.list(EVERYTHING)).toHaveLength(1)
  expect((await core.ask('shop')).status).toBe(200)
})

test('a canary nobody visits asks, and goes on when it is answered', async () => {
  const core = await aCore('127.246.0.0/16')
  const environment = await core.anApp('shop')
  const words = canary({ steps: [10], soak: '200ms' })
  await core.ended(await core.deploy(environment, 'fake:good+v1', words))
  const quiet = await core.deploy(environment, 'fake:good+v2', words)

  const asking = await core.once(quiet, (now) => now.status === 'paused')
  expect(asking).toMatchObject({ cause: 'inconclusive' })
  expect(asking.blocked).toContain(`it had 0 requests, and 5 are needed for a verdict; "lockgate resume ${quiet.id}" goes on`)
  expect((await core.environment(environment.id)).share?.percent).toBe(10)
  await resumeDeployment(core.context, { actor: ADA, id: quiet.id })

  expect((await core.ended(quiet)).status).toBe('succeeded')
})

test('a newer release takes the place of a canary that asks', async () => {
  const core = await aCore('127.247.0.0/16')
  const environment = await core.anApp('shop')
  const words = canary({ steps: [10], soak: '200ms' })
  await core.ended(await core.deploy(environment, 'fake:good+v1', words))
  const quiet = await core.deploy(environment, 'fake:good+v2', words)
  await core.once(quiet, (now) => now.status === 'paused')

  visitors(core, 'shop')

  const newer = await core.ended(await core.deploy(environment, 'fake:good+v3', canary({ steps: [50], soak: '500ms' })))

  expect((await core.ended(quiet)).status).toBe('superseded')
  expect(newer.status).toBe('succeeded')
  // It is a canary too, whatever the one before left in its arm.
  expect(await stepsOf(core, newer.id)).toContain('soak')
  expect((await core.context.runtime.observe(environment.id)).map((one) => one.set)).toEqual([newer.number])
})

test('what is paused stands still, is kept up, and goes on', async () => {
  const core = await aCore('127.248.0.0/16')
  const environment = await core.anApp('shop')
  const words = canary({ steps: [10], soak: '30s' })
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1', words))
  const second = await core.deploy(environment, 'fake:good+v2', words)
  await until('the share is watched', async () => (await stepsOf(core, second.id)).includes('soak'))

  await pauseDeployment(core.context, { actor: ADA, id: second.id })
  await core.once(second, (now) => now.status === 'paused')
  const old = (await core.context.runtime.observe(environment.id)).find((one) => one.set === first.wish.set)
  core.knobs.vanish(old?.name ?? '')
  await until('the old instance is there again', async () =>
    (await core.context.runtime.observe(environment.id)).some((one) => one.name === old?.name && one.state === 'running' && one.digest === old?.digest),
  )
  expect((await core.context.store.read.deployments.get(EVERYTHING, second.id)).status).toBe('paused')
  await resumeDeployment(core.context, { actor: ADA, id: second.id })
  await core.once(second, (now) => now.status === 'running')
  await cancelDeployment(core.context, { actor: ADA, id: second.id })

  expect((await core.ended(second)).status).toBe('cancelled')
  expect((await core.ask('shop')).status).toBe(200)
})

test.each([
  ['blue-green', '127.249.0.0/16'],
  ['rolling', '127.250.0.0/16'],
  ['recreate', '127.251.0.0/16'],
])('after %s a release that answers worse than the one before goes back by itself', async (strategy, range) => {
  const core = await aCore(range)
  const environment = await core.anApp('shop')
  visitors(core, 'shop')
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1', { ...TCP, strategy }))
  const bad = await core.ended(await core.deploy(environment, 'fake:answers-500+v2', { ...TCP, strategy }))
  expect(bad.status).toBe('succeeded')

  const all = () => core.context.store.read.deployments.list(EVERYTHING, { where: { verb: 'rollback' } })
  await until('it goes back', async () => (await all())[0]?.status === 'succeeded')

  expect((await all())[0]).toMatchObject({ actor: { kind: 'platform', name: 'lockgate' } })
  expect((await core.environment(environment.id)).wish.releaseId).toBe(first.wish.releaseId)
  expect((await core.context.store.read.pins.list(EVERYTHING))[0]?.reason).toMatch(/^r2 answered worse: \d+ of \d+ requests/)
  expect((await core.ask('shop')).status).toBe(200)
})

test('where nothing may go back by itself it is told, and a person has to insist', async () => {
  const core = await aCore('127.252.0.0/16')
  const environment = await core.anApp('shop')
  visitors(core, 'shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1', TCP))
  await core.ended(await core.deploy(environment, 'fake:answers-500+v2', { ...TCP, rollback: 'forbidden' }))

  await until('it is told', async () => (await core.environment(environment.id)).watch?.worse !== null)

  expect((await core.environment(environment.id)).watch?.worse).toMatch(/^r2 answers worse: .*; it stays: it forbids that anything goes back by itself/)
  const asked = { actor: ADA, environment: await core.environment(environment.id), to: null }
  await expect(rollback(core.context, asked)).rejects.toMatchObject({ code: 'release.rollback_forbidden' })
  expect((await core.ended((await rollback(core.context, { ...asked, insists: true })).deployment)).status).toBe('succeeded')
})

test('a release that answers as well as the one before is watched to the end, and no traffic is not a failure', async () => {
  const core = await aCore('127.253.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good+v1'))
  await core.ended(await core.deploy(environment, 'fake:good+v2', { watch: { for: '300ms' } }))
  expect((await core.environment(environment.id)).watch).not.toBe(null)

  await until('the window is over', async () => (await core.environment(environment.id)).watch === null)

  expect(await core.context.store.read.deployments.list(EVERYTHING, { where: { verb: 'rollback' } })).toEqual([])
})
