// An engine of the test's own is frozen, killed and started again, and its disk runs full, while releases come.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import type { StepKind } from '../../src/core/deployment/step.ts'
import { docker } from '../../src/drivers/runtime/docker/index.ts'
import { pause } from '../../src/lib/clock.ts'
import { ownFolder } from '../support/folder.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { type OwnEngine, startOwnEngine } from '../support/own-engine.ts'
import { tell } from '../support/proof.ts'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'
import { aServedApp, begin, expectSucceeded, measureApi, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let folder: string
let disk: SmallDisk
let engine: OwnEngine
let lockgate: Installation
let host: string
const images: string[] = []

beforeAll(async () => {
  folder = ownFolder('proof')
  disk = await mountSmallDisk(join(folder, 'engine'), 1_500)
  engine = await startOwnEngine(join(folder, 'engine'), '10.204.0.0/16')
  const { boxes } = await docker.create(docker.Config.parse({ installation: 'proof0' }), undefined)
  if (!boxes) throw new Error('docker gives boxes')
  for (const version of ['one', 'two']) images.push(await testImage(boxes, 'all', version))
  await engine.load(images)
  lockgate = await anInstallation({ range: '10.204.0.0/16', engineSocket: engine.socket })
  host = await aServedApp(lockgate, 'shop', { image: images[0] ?? '' })
})
afterAll(async () => {
  engine?.thaw()
  await lockgate?.stop()
  await engine?.stop()
  await disk?.remove()
  await rm(folder, { recursive: true, force: true })
})

async function reaches(id: string, kind: StepKind): Promise<void> {
  await until(
    `it is at ${kind}`,
    async () => (await lockgate.call(endpoints.readDeployment, { params: { id } })).steps.some((step) => step.kind === kind),
    30_000,
  )
}

describe('the engine stands still, or is killed and started again, in the middle of a release', () => {
  test.for(['update', 'start', 'stop'] as const)('frozen at %s', async (kind, { task }) => {
    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
      const id = await begin(lockgate, 'shop', { verb: 'restart' })
      await reaches(id, kind)
      engine.freeze()
      const meter = measureApi(lockgate, 'shop')
      await pause(8_000)
      const api = await meter.stop()
      engine.thaw()
      const began = performance.now()
      return { live: await lockgate.ended(id), api, seconds: (performance.now() - began) / 1_000 }
    })

    tell(task, { faults: 1, 'API p99 ms': Math.round(result.api.p99Ms), 'back after s': Math.round(result.seconds) })
    expectSucceeded(result.live)
    expect(result.seconds).toBeLessThan(30)
    expect(result.api).toMatchObject({ refused: 0 })
    expect(result.api.p99Ms).toBeLessThan(300)
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })

  test.for(['update', 'start', 'stop'] as const)('killed at %s, and started again', async (kind, { task }) => {
    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
      const id = await begin(lockgate, 'shop', { verb: 'restart' })
      await reaches(id, kind)
      await engine.kill()
      await pause(1_000)
      await engine.start()
      const began = performance.now()
      return { live: await lockgate.ended(id), seconds: (performance.now() - began) / 1_000 }
    })

    tell(task, { faults: 1, 'back after s': Math.round(result.seconds) })
    expectSucceeded(result.live)
    expect(result.seconds).toBeLessThan(30)
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })
})

test('a full disk of the engine refuses a release before anything moves, and lets it through when there is room', async ({ task }) => {
  await disk.fill()
  const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => lockgate.deploy('shop', { verb: 'deploy', image: images[1] ?? '' }))
  await disk.free()

  tell(task, { faults: 1 })
  expect(result.deployment).toMatchObject({ status: 'failed', cause: 'check_failed', message: expect.stringMatching(/has only \d+ MB free/) })
  expect(result.steps.map((step) => step.kind)).toEqual(['check'])
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  expectSucceeded(await lockgate.deploy('shop', { verb: 'deploy', image: images[1] ?? '' }))
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
})
