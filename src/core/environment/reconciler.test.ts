import { expect, test } from 'vitest'
import { ADA, aCore } from '../../../test/support/core.ts'
import { aSteppedCore } from '../../../test/support/stepped.ts'
import { until } from '../../../test/support/until.ts'
import { UnavailableError } from '../../lib/errors.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { EMPTY_MANIFEST } from '../app/manifest.ts'
import { cancelDeployment } from '../deployment/cancel.ts'
import { deployImage } from '../deployment/deploy.ts'
import { type Deployment, isDeploymentFinished } from '../deployment/deployment.ts'
import { restart, scale, start, stop } from '../deployment/operate.ts'
import { rollback } from '../deployment/rollback.ts'

test('a deployment brings an app up, and the next one takes its place', async () => {
  const core = await aCore('127.221.0.0/16')
  const environment = await core.anApp('shop')

  expect((await core.ended(await core.deploy(environment, 'fake:good+v1'))).status).toBe('succeeded')
  expect((await core.ask('shop')).status).toBe(200)
  const second = await core.ended(await core.deploy(environment, 'fake:good+v2'))

  expect(second).toMatchObject({ status: 'succeeded', cause: 'done', blocked: null })
  expect((await core.environment(environment.id)).wish).toEqual(second.wish)
  const running = await core.context.runtime.observe(environment.id)
  expect(running.map((one) => [one.set, one.state])).toEqual([[second.wish.set, 'running']])
})

test('a start that fails goes back, says why, and what served serves on', async () => {
  const core = await aCore('127.222.0.0/16')
  const environment = await core.anApp('shop')
  const good = await core.ended(await core.deploy(environment, 'fake:good'))

  const bad = await core.ended(await core.deploy(environment, 'fake:exits-3'))

  expect(bad).toMatchObject({ status: 'failed', cause: 'instance_exited', report: { exitCode: 3 } })
  expect((await core.environment(environment.id)).wish).toEqual(good.wish)
  expect((await core.ask('shop')).status).toBe(200)
  expect((await core.context.runtime.observe(environment.id)).map((one) => one.set)).toEqual([good.wish.set])
})

test('one that is never ready goes back at its deadline', async () => {
  const core = await aCore('127.223.0.0/16')
  const environment = await core.anApp('shop')

  const bad = await core.ended(await core.deploy(environment, 'fake:unhealthy', { health: { interval: '50ms', start_deadline: '300ms', rise: 1 } }))

  expect(bad).toMatchObject({ status: 'failed', cause: 'start_deadline' })
  expect(bad.report?.lastProbe).toContain('503')
  expect(await core.context.runtime.observe(environment.id)).toEqual([])
})

test('a cancelled deployment goes back to what was there', async () => {
  const core = await aCore('127.224.0.0/16')
  const environment = await core.anApp('shop')
  const good = await core.ended(await core.deploy(environment, 'fake:good'))
  const slow = await core.deploy(environment, 'fake:slow-60s')
  await until('the slow one starts', async () =>
    (await core.context.runtime.observe(environment.id)).some((one) => one.set === slow.number && one.state === 'running'),
  )

  await cancelDeployment(core.context, { actor: ADA, id: slow.id })

  expect(await core.ended(slow)).toMatchObject({ status: 'cancelled', cause: 'requested' })
  expect((await core.context.runtime.observe(environment.id)).map((one) => one.set)).toEqual([good.wish.set])
  expect((await core.ask('shop')).status).toBe(200)
})

test('of two that wait, the newer takes the place of the older', async () => {
  const core = await aCore('127.225.0.0/16')
  const environment = await core.anApp('shop')
  const first = await core.deploy(environment, 'fake:slow-300ms+v1')
  await core.once(first, (now) => now.status === 'running')
  const older = await core.deploy(environment, 'fake:good+v2')
  const newer = await core.deploy(environment, 'fake:good+v3')

  expect(await core.ended(older)).toMatchObject({ status: 'superseded', cause: 'newer_deployment' })
  expect((await core.ended(newer)).status).toBe('succeeded')
  expect(['succeeded', 'superseded']).toContain((await core.ended(first)).status)
  expect((await core.context.runtime.observe(environment.id)).map((one) => one.set)).toEqual([newer.number])
})

test('an instance that crashed, and one that was taken away, are brought back without a deployment', async () => {
  const core = await aCore('127.226.0.0/16')
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good'))
  const [instance] = await core.context.runtime.observe(environment.id)
  const deployments = await core.context.store.read.deployments.list(EVERYTHING)

  core.knobs.vanish(instance?.name ?? '')
  await until('it answers again', async () => (await core.ask('shop')).status === 200)
  core.knobs.crash(instance?.name ?? '')
  await until('it answers again', async () => (await core.ask('shop')).status === 200)

  expect(await core.context.store.read.deployments.list(EVERYTHING)).toHaveLength(deployments.length)
})

test('scale, restart, stop and start are deployments that keep the release', async () => {
  const core = await aCore('127.227.0.0/16')
  const environment = await core.anApp('shop')
  const { wish } = await core.ended(await core.deploy(environment, 'fake:good'))

  await core.ended(await scale(core.context, { actor: ADA, environment, count: 3 }))
  expect(await core.context.runtime.observe(environment.id)).toHaveLength(3)
  const restarted = await core.ended(await restart(core.context, { actor: ADA, environment }))
  expect(restarted.wish).toEqual({ ...wish, count: 3, set: restarted.number })
  await core.ended(await stop(core.context, { actor: ADA, environment }))
  expect(await core.context.runtime.observe(environment.id)).toEqual([])
  expect((await core.ask('shop')).body).toContain('stopped')
  await core.ended(await start(core.context, { actor: ADA, environment }))

  expect((await core.context.runtime.observe(environment.id)).map((one) => one.state)).toEqual(['running', 'running', 'running'])
})

test('visitors of an app that is being stopped read that it is, before the stop has ended', async () => {
  const core = await aSteppedCore('127.238.0.0/16')
  const { context, environment } = core
  const ended = async ({ id }: Pick<Deployment, 'id'>): Promise<boolean> => {
    for (const pass of [core.passEdge, core.passEnvironment, core.probe]) await pass()
    return isDeploymentFinished(await context.store.read.deployments.get(EVERYTHING, id))
  }
  const { deployment } = await deployImage(context, { actor: ADA, environment, image: 'fake:good', manifest: EMPTY_MANIFEST })
  await until('it runs', () => ended(deployment))

  const stopping = await stop(context, { actor: ADA, environment })
  await until('it is stopped', () => ended(stopping))

  expect(core.table()?.environments[environment.id]?.page.state).toBe('stopped')
})

test('a rollback is a deployment of the last good release, and pins what it left', async () => {
  const core = await aCore('127.228.0.0/16')
  const environment = await core.anApp('shop')
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1'))
  await core.ended(await core.deploy(environment, 'fake:good+v2'))

  const { deployment } = await rollback(core.context, { actor: ADA, environment: await core.environment(environment.id), to: null })

  const back = await core.ended(deployment)
  expect(back).toMatchObject({ status: 'succeeded', verb: 'rollback' })
  const { read } = core.context.store
  const artifactOf = async (id: string | null): Promise<string> => (await read.releases.get(EVERYTHING, id ?? '')).artifactId
  expect(await artifactOf(back.wish.releaseId)).toBe(await artifactOf(first.wish.releaseId))
  expect(await read.pins.list(EVERYTHING)).toHaveLength(1)
})

test('while the edge does not answer nothing is stopped, and it goes on by itself afterwards', async () => {
  const core = await aCore('127.229.0.0/16')
  const environment = await core.anApp('shop')
  const first = await core.ended(await core.deploy(environment, 'fake:good+v1'))

  core.edge.knobs.failNext = 40
  const second = await core.deploy(environment, 'fake:good+v2')
  await until('the new set runs', async () =>
    (await core.context.runtime.observe(environment.id)).some((one) => one.set === second.number && one.state === 'running'),
  )
  const during = await core.context.runtime.observe(environment.id)
  expect(during.some((one) => one.set === first.number && one.state === 'running')).toBe(true)
  core.edge.knobs.failNext = 0

  expect((await core.ended(second)).status).toBe('succeeded')
})

test('an image that another app may go back to stays when retention forgets it here', async () => {
  const core = await aCore('127.230.0.0/16')
  const environment = await core.anApp('shop')
  const other = await core.anApp('other')
  const removed: string[] = []
  const { runtime } = core.context
  const { removeImage } = runtime
  Object.assign(runtime, {
    removeImage: (digest: string) => {
      removed.push(digest)
      return removeImage(digest)
    },
  })
  for (const app of [environment, other]) for (const image of ['fake:good+shared', 'fake:good+next']) await core.ended(await core.deploy(app, image))
  const artifacts = () => core.context.store.read.artifacts.list(EVERYTHING, { where: { appId: environment.appId } })
  for (const number of [1, 2, 3, 4, 5]) await core.ended(await core.deploy(environment, `fake:good+${number}`))

  await until('the first two are forgotten here', async () => (await artifacts()).filter(({ removedAt }) => removedAt !== null).length === 2)
  await core.ended(await core.deploy(environment, 'fake:good+6'))
  await until('the third is removed', () => removed.length > 0)

  const shared = (await artifacts()).filter(({ origin }) => origin === 'fake:good+shared' || origin === 'fake:good+next')
  for (const { digest } of shared) expect(removed).not.toContain(digest)
})

test('a crash after a long good time is one crash, whatever the engine counted before', async () => {
  let ahead = 0
  const core = await aCore('127.234.0.0/16', { clock: { now: () => Date.now() + ahead, monotonic: () => performance.now() } })
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good'))
  const [instance] = await core.context.runtime.observe(environment.id)
  const name = instance?.name ?? ''
  const record = () => core.context.store.read.instances.get(EVERYTHING, name)
  const crash = async (restarts: number): Promise<void> => {
    core.knobs.crash(name)
    await until('it is up again', async () => (await core.context.runtime.observe()).some((one) => one.restarts === restarts && one.state === 'running'))
  }
  await crash(1)
  await crash(2)
  await until('two are counted', async () => (await record()).crashes === 2)

  ahead = 120_000
  await until('they are forgiven', async () => (await record()).crashes === 0)
  ahead = 0
  await crash(3)

  await until('one is counted', async () => (await record()).crashes > 0)
  expect((await record()).crashes).toBe(1)
})

test('an instance in traffic is kept alive by the engine, also where telling it so failed at first', async () => {
  const core = await aCore('127.235.0.0/16')
  const { ensure } = core.context.runtime
  let failures = 0
  Object.assign(core.context.runtime, {
    ensure: async (spec: Parameters<typeof ensure>[0]) => {
      if (spec.keepAlive && failures++ === 0) throw new UnavailableError('runtime.unreachable', 'the engine is away for a moment')
      await ensure(spec)
    },
  })
  const environment = await core.anApp('shop')
  await core.ended(await core.deploy(environment, 'fake:good'))
  expect(failures).toBeGreaterThan(0)

  const [instance] = await core.context.runtime.observe(environment.id)
  core.knobs.crash(instance?.name ?? '')

  await until('the engine has started it again', async () => (await core.context.runtime.observe())[0]?.restarts === 1)
})
