// The engine takes requests and never answers, is stopped, or answers 500, at each step of a deployment.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../src/lib/clock.ts'
import { type EngineFault, type EngineProxy, startEngineProxy } from '../support/engine-proxy.ts'
import { ownFolder } from '../support/folder.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { tell } from '../support/proof.ts'
import { aServedApp, begin, expectSucceeded, measureApi, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let folder: string
let engine: EngineProxy
let lockgate: Installation
let host: string
const TIMEOUT_MS = 3_000

beforeAll(async () => {
  folder = ownFolder('proof')
  engine = await startEngineProxy(join(folder, 'docker.sock'))
  lockgate = await anInstallation({
    range: '10.201.0.0/16',
    settings: { runtime: { driver: 'docker', config: { socket: engine.socket, timeoutMs: TIMEOUT_MS } } },
  })
  host = await aServedApp(lockgate, 'shop', { image: await testImage(lockgate.boxes, 'all', 'one') })
})
afterAll(async () => {
  engine?.resume()
  await lockgate?.stop()
  await engine?.close()
  await rm(folder, { recursive: true, force: true })
})

// A case that failed must not be the cause of the next.
afterEach(() => engine.resume())

/** What the server asks of the engine at each step. */
const AT: Readonly<Record<string, RegExp>> = {
  listing: /^GET \S+\/containers\/json/,
  check: /^GET \S+\/images\//,
  update: /^POST \S+\/containers\/create/,
  start: /^POST \S+\/containers\/[^/]+\/start/,
  'resume-traffic': /^POST \S+\/containers\/[^/]+\/update/,
  stop: /^POST \S+\/containers\/[^/]+\/stop/,
  remove: /^DELETE \S+\/containers\//,
}

const AWAY = Object.keys(AT).flatMap((step) => (['hang', 'refuse'] as const).map((fault): [string, EngineFault] => [step, fault]))

describe('an engine that is away in the middle of a deployment is waited for', () => {
  test.for(AWAY)('at %s: %s', async ([step, fault], { task }) => {
    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
      engine.at(AT[step] ?? /^$/, fault)
      const id = await begin(lockgate, 'shop', { verb: 'restart' })
      await until('the engine is away', () => engine.struck() > 0, 20_000)
      const meter = measureApi(lockgate, 'shop')
      // An order to stop may take its grace and 10 s more before it counts as not answered.
      await until('it says why it waits', async () => /The Docker engine/.test((await lockgate.status('shop')).blocked ?? ''), 40_000)
      // Longer than one call may take, so that calls that failed are made again.
      await pause(TIMEOUT_MS)
      const api = await meter.stop()
      engine.resume()
      const began = performance.now()
      const live = await lockgate.ended(id)
      return { live, api, seconds: (performance.now() - began) / 1_000 }
    })

    tell(task, { faults: 1, 'API p99 ms': Math.round(result.api.p99Ms), 'back after s': Math.round(result.seconds) })
    expectSucceeded(result.live)
    expect(result.seconds).toBeLessThan(30)
    expect(result.api.refused).toBe(0)
    expect(result.api.p99Ms).toBeLessThan(300)
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })
})

describe('a question the engine answers with 500 is asked again', () => {
  test.for(['listing', 'check'])('at %s', async (step, { task }) => {
    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
      engine.at(AT[step] ?? /^$/, 'fail')
      const id = await begin(lockgate, 'shop', { verb: 'restart' })
      await until('it failed some times', () => engine.struck() >= 3, 20_000)
      engine.resume()
      return lockgate.ended(id)
    })

    tell(task, { faults: 1 })
    expectSucceeded(result)
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })

  test('an order it fails at ends the deployment, says why, and what was there serves on', async ({ task }) => {
    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
      engine.at(AT['update'] ?? /^$/, 'fail')
      const live = await lockgate.deploy('shop', { verb: 'restart' })
      engine.resume()
      return live
    })

    tell(task, { faults: 1 })
    expect(result.deployment).toMatchObject({ status: 'failed', cause: 'engine_refused', message: expect.stringContaining('has a bad day') })
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })
})
