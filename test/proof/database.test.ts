// Another process has the database locked for half a minute; another server wants the same folder.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import { freePort } from '../support/haproxy.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { tell } from '../support/proof.ts'
import { aServedApp, begin, expectSucceeded, measureApi, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let lockgate: Installation
let host: string
beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.202.0.0/16' })
  host = await aServedApp(lockgate, 'shop', { image: await testImage(lockgate.boxes, 'all', 'one') })
})
afterAll(() => lockgate?.stop())

test('a database locked for 30 s holds a deployment, which goes on afterwards; reads are answered meanwhile', async ({ task }) => {
  const lock = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'))
  const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
    const id = await begin(lockgate, 'shop', { verb: 'restart' })
    await until('it has begun', async () => (await lockgate.status('shop')).deploymentId === id)
    lock.exec('pragma busy_timeout = 10000; begin exclusive')
    const meter = measureApi(lockgate, 'shop')
    await pause(30_000)
    const api = await meter.stop()
    lock.exec('rollback')
    const began = performance.now()
    return { live: await lockgate.ended(id), api, seconds: (performance.now() - began) / 1_000 }
  })
  lock.close()

  tell(task, { faults: 1, 'API p99 ms': Math.round(result.api.p99Ms), 'back after s': Math.round(result.seconds) })
  expectSucceeded(result.live)
  expect(result.seconds).toBeLessThan(30)
  expect(result.api.refused).toBe(0)
  expect(result.api.p99Ms).toBeLessThan(300)
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
})

test('what is asked to write meanwhile is refused in seconds, all of it, and nothing of it is lost or done twice', async ({ task }) => {
  const lock = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'))
  lock.exec('begin exclusive')
  const began = performance.now()
  const asked = await Promise.allSettled(Array.from({ length: 8 }, () => begin(lockgate, 'shop', { verb: 'restart' })))
  const seconds = (performance.now() - began) / 1_000
  lock.exec('rollback')
  lock.close()

  tell(task, { faults: 1 })
  expect(asked.map((one) => one.status)).toEqual(Array.from({ length: 8 }, () => 'rejected'))
  // One after another each would wait for all before it.
  expect(seconds).toBeLessThan(12)
  expectSucceeded(await lockgate.deploy('shop', { verb: 'restart' }))
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
})

test('a second server on the same data directory is refused, and the first goes on', async ({ task }) => {
  const settings = JSON.parse(await readFile(join(lockgate.directory, 'settings.json'), 'utf8')) as Record<string, unknown>
  const path = join(lockgate.directory, 'second.json')
  await writeFile(path, JSON.stringify({ ...settings, listen: { port: await freePort() } }))
  const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

  const { result } = await underLoad(lockgate, { app: 'shop', host, task }, () =>
    run(process.execPath, [program], { env: { LOCKGATE_SETTINGS: path, HOME: '/root' }, anyStatus: true }),
  )

  tell(task, { faults: 1 })
  expect(result.status).toBe(78)
  expect(result.stderr).toContain('Another Lockgate server uses')
  expectSucceeded(await lockgate.deploy('shop', { verb: 'restart' }))
  await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
})
