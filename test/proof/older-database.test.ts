// A database that went back in time: an older copy was put back, or its newest pages were lost with the machine.
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aServedApp, expectSucceeded, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let lockgate: Installation
let one: string
let two: string
beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.208.0.0/16' })
  one = await testImage(lockgate.boxes, 'all', 'one')
  two = await testImage(lockgate.boxes, 'all', 'two')
})
afterAll(() => lockgate?.stop())

const served: { readonly app: string; readonly count: number }[] = []

const files = ['lockgate.db', 'lockgate.db-wal', 'lockgate.db-shm']

/** Keeps the database as it is now; gives what puts it back in the place of the present one. Both with the server killed. */
async function kept(): Promise<() => Promise<void>> {
  const [data, copy] = [join(lockgate.directory, 'data'), join(lockgate.directory, 'copy')]
  await rm(copy, { recursive: true, force: true })
  await mkdir(copy)
  for (const file of files) await cp(join(data, file), join(copy, file)).catch(() => undefined)
  return async () => {
    for (const file of files) await rm(join(data, file), { force: true })
    for (const file of files) await cp(join(copy, file), join(data, file)).catch(() => undefined)
  }
}

const MEANWHILE: readonly (readonly [string, (app: string) => Promise<unknown>])[] = [
  ['a release of another image', (app) => lockgate.deploy(app, { verb: 'deploy', image: two })],
  ['a restart', (app) => lockgate.deploy(app, { verb: 'restart' })],
  ['more instances', (app) => lockgate.deploy(app, { verb: 'scale', count: 4 })],
  ['fewer instances', (app) => lockgate.deploy(app, { verb: 'scale', count: 1 })],
  [
    'two deployments',
    async (app) => {
      await lockgate.deploy(app, { verb: 'deploy', image: two })
      await lockgate.deploy(app, { verb: 'restart' })
    },
  ],
]

test.for(MEANWHILE.map(([what, work], at) => ({ what, app: `shop-${at}`, work })))(
  'a database that does not know of $what any more: what runs is served on until it is as the database says, and no request fails',
  async ({ app, work }, { task }) => {
    const host = await aServedApp(lockgate, app, { image: one })
    await lockgate.deploy(app, { verb: 'scale', count: 2 })
    await lockgate.kill()
    const putBack = await kept()
    await lockgate.start()
    await work(app)
    await lockgate.kill()
    await putBack()

    const { result } = await underLoad(lockgate, { app, host, task }, async () => {
      await lockgate.start()
      await until('it is as the database says', async () => {
        const { state, ready } = await lockgate.status(app)
        return state === 'running' && ready === 2
      })
      return lockgate.deploy(app, { verb: 'restart' })
    })

    expectSucceeded(result)
    expect((await ask(lockgate.edge.config.httpPort, host)).status).toBe(200)
    served.push({ app, count: 2 })
    await expectWhole(lockgate, served, /^I7: events \d+ to \d+ are missing: the database is an older copy/)
  },
)
