// No byte is left on the disk of the data directory, or of the edge's state, while releases come.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { pause } from '../../src/lib/clock.ts'
import { ownFolder } from '../support/folder.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { tell } from '../support/proof.ts'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'
import { aServedApp, begin, expectSucceeded, measureApi, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let folder: string
let ofData: SmallDisk
let ofEdge: SmallDisk
let lockgate: Installation
let host: string

beforeAll(async () => {
  folder = ownFolder('proof')
  ofEdge = await mountSmallDisk(join(folder, 'edge'), 40)
  lockgate = await anInstallation({
    range: '10.205.0.0/16',
    edgeDirectory: join(folder, 'edge', 'state'),
    prepare: async (directory) => {
      ofData = await mountSmallDisk(join(directory, 'data'), 60)
      return () => ofData.remove()
    },
  })
  host = await aServedApp(lockgate, 'shop', { image: await testImage(lockgate.boxes, 'all', 'one') })
})
afterAll(async () => {
  await lockgate?.stop()
  await ofEdge?.remove()
  await rm(folder, { recursive: true, force: true })
})

/** How long there is no byte left. */
const FULL_MS = 8_000

test('a full data directory: what cannot be written is refused, reads are answered, and what was under way goes on when there is room', async ({ task }) => {
  const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
    const id = await begin(lockgate, 'shop', { verb: 'restart' })
    await until('it has begun', async () => (await lockgate.status('shop')).deploymentId === id)
    await ofData.fill()
    // What is in the log of the database already is room for some more rows: many writes find its end.
    return stayFull(ofData, id, () => until('a write is refused', () => isRefused(), 20_000))
  })

  expectGoneOn(result, task)
  await until('what was taken before is done', async () => (await lockgate.status('shop')).state === 'running', 60_000)
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
})

/** How a deployment went that met a full disk: its end, the API meanwhile, and how long it took once there was room. */
type Endured = Awaited<ReturnType<typeof stayFull>>

/** Leaves the disk full for a while, asks the API meanwhile, makes room, and waits for the deployment's end. */
async function stayFull(disk: SmallDisk, id: string, seen: () => Promise<void> = async () => undefined) {
  const meter = measureApi(lockgate, 'shop')
  await seen()
  await pause(FULL_MS)
  const api = await meter.stop()
  await disk.free()
  const began = performance.now()
  return { live: await lockgate.ended(id), api, seconds: (performance.now() - began) / 1_000 }
}

function expectGoneOn({ live, api, seconds }: Endured, task: Parameters<typeof tell>[0]): void {
  tell(task, { faults: 1, 'API p99 ms': Math.round(api.p99Ms), 'back after s': Math.round(seconds) })
  expectSucceeded(live)
  expect(seconds).toBeLessThan(30)
  expect(api.refused).toBe(0)
}

/** Whether a verb is refused for want of room; one that is taken is done later. */
async function isRefused(): Promise<boolean> {
  try {
    await lockgate.call(endpoints.changeConfig, { params: { app: 'shop', environment: 'production' } as never, body: { set: { FILLS: 'x'.repeat(20_000) } } })
    return false
  } catch (error) {
    expect(String(error)).toMatch(/cannot be written|disk is full|Free space/)
    return true
  }
}

test('a full disk of the edge: nothing moves and nothing is lost, and the release goes on when there is room', async ({ task }) => {
  const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
    await ofEdge.fill()
    const id = await begin(lockgate, 'shop', { verb: 'restart' })
    await until('it says why it waits', async () => /cannot be written/.test((await lockgate.status('shop')).blocked ?? ''), 30_000)
    return stayFull(ofEdge, id)
  })

  expectGoneOn(result, task)
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
})
