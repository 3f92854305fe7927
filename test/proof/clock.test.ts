// The clock of the server jumps in the middle of a deployment (libfaketime); the engine's does not.
import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { tell } from '../support/proof.ts'
import { aServedApp, begin, expectSucceeded, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let lockgate: Installation
let host: string
let environmentId: string
const images: string[] = []

/** By how much the server's clock is off, from its next look at it on. */
const shift = (by: string): Promise<void> => writeFile(join(lockgate.directory, 'clock'), `${by}\n`)

/** Debian has it in the folder of the architecture. */
function faketime(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error('libfaketime is not installed; bin/test proof installs it')
  return found
}

/** Whether a step ended, for the server, at a time so far from ours. */
function saw(seconds: number): boolean {
  const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'), { readOnly: true })
  const rows = database.prepare('select finished_at from step where finished_at is not null').all()
  database.close()
  return rows.some((row) => Math.abs(Number(row['finished_at']) - Date.now() - seconds * 1_000) < 60_000)
}

async function observed(): Promise<string[]> {
  return (await lockgate.runtime.observe(environmentId)).map((one) => one.state)
}

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.203.0.0/16' })
  for (const version of ['one', 'two']) images.push(await testImage(lockgate.boxes, 'all', version))
  host = await aServedApp(lockgate, 'shop', { image: images[0] ?? '' })
  environmentId = (await lockgate.status('shop')).id
  await lockgate.stopServer()
  await shift('+0')
  await lockgate.start({
    LD_PRELOAD: faketime(),
    FAKETIME_TIMESTAMP_FILE: join(lockgate.directory, 'clock'),
    FAKETIME_NO_CACHE: '1',
    // Without it a step back stops every timer of Node.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  })
})
afterAll(() => lockgate?.stop())

describe('a clock that jumps while a release comes changes nothing', () => {
  test.for([
    ['+3600', 3_600],
    ['-3600', -3_600],
    ['+365d', 365 * 86_400],
  ] as const)('by %s', async ([by, seconds], { task }) => {
    await shift('+0')
    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () => {
      const id = await begin(lockgate, 'shop', { verb: 'deploy', image: images[1] ?? '' })
      await until('it starts', async () => (await lockgate.call(endpoints.readDeployment, { params: { id } })).steps.some((step) => step.kind === 'start'))
      await shift(by)
      await until('the old one is gone', async () => (await observed()).join() === 'running', 60_000)
      await until('the jump was seen', () => saw(seconds))
      // Tokens end with the time: a year from now nobody may ask any more.
      await shift('+0')
      return lockgate.ended(id)
    })

    tell(task, { faults: 1 })
    expectSucceeded(result)
    expectSucceeded(await lockgate.deploy('shop', { verb: 'restart' }))
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })

  test.for(['+3600', '-3600'])('a release that exits at once fails at once, while it is off by %s', async (by, { task }) => {
    await shift(by)
    const began = performance.now()

    const { result } = await underLoad(lockgate, { app: 'shop', host, task }, async () =>
      lockgate.deploy('shop', { verb: 'deploy', image: await testImage(lockgate.boxes, 'exits') }),
    )

    tell(task, { faults: 1 })
    expect(result.deployment).toMatchObject({ status: 'failed', cause: 'instance_exited' })
    expect((performance.now() - began) / 1_000).toBeLessThan(30)
    await shift('+0')
    await expectWhole(lockgate, [{ app: 'shop', count: 1 }])
  })
})
