// Releases that are killed for their memory, end again and again, change their mind about their health, or lie about it.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { tell } from '../support/proof.ts'
import { aServedApp, begin, expectSucceeded, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let lockgate: Installation
let good: string

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.207.0.0/16' })
  good = await testImage(lockgate.boxes, 'all', 'good')
})
afterAll(() => lockgate?.stop())

/** lockgate.yaml of an app that runs a line of JavaScript instead of its program. */
function running(program: string, more = ''): string {
  return `processes:\n  web:\n    command: [node, -e, ${JSON.stringify(program)}]\n${more}`
}

const SERVES = "require('http').createServer((q, r) => "
const LISTENS = ').listen(process.env.PORT)'
const BAD: readonly (readonly [name: string, manifest: string, cause: string])[] = [
  ['greedy', running('const all = []; setInterval(() => all.push(Buffer.alloc(5e7, 1)), 10)', 'limits:\n  memory: 64MB\n'), 'out_of_memory'],
  ['exits', running('process.exit(3)'), 'instance_exited'],
  ['exits-late', running(`${SERVES}process.exit(4)${LISTENS}`), 'instance_exited'],
  // Good for half a second, bad for half a second: never good often enough in a row.
  [
    'flaps',
    running(
      `${SERVES}(r.statusCode = Date.now() % 1000 < 500 ? 200 : 503, r.end())${LISTENS}`,
      'health:\n  path: /up\n  interval: 200ms\n  rise: 8\n  start_deadline: 8s\n',
    ),
    'start_deadline',
  ],
]

/** Its health check is answered with 200, everything else with 500. */
const LIES = running(`${SERVES}(r.statusCode = q.url === '/up' ? 200 : 500, r.end())${LISTENS}`, 'health:\n  path: /up\n')

describe('a release that is no good never gets a request, and what was there serves on', () => {
  test.for(BAD)('%s', async ([name, manifest, cause], { task }) => {
    const host = await aServedApp(lockgate, name, { image: good })

    const { result } = await underLoad(lockgate, { app: name, host, task }, () => lockgate.deploy(name, { verb: 'deploy', image: good, manifest }))

    tell(task, { faults: 1 })
    expect(result.deployment, result.deployment.message).toMatchObject({ status: 'failed', cause })
    expect(await lockgate.status(name)).toMatchObject({ state: 'running', release: 'r1', ready: 1 })
  })
})

test('one that says it is well and answers 500 is gone back from by itself', async ({ task }) => {
  const host = await aServedApp(lockgate, 'lies', { image: good })
  // Its own answers are what failed: nothing else did.
  const { result, report } = await underLoad(lockgate, { app: 'lies', host, task, allowed: [/^status 500$/] }, async () => {
    const id = await begin(lockgate, 'lies', { verb: 'deploy', image: good, manifest: LIES })
    const live = await lockgate.ended(id)
    const began = performance.now()
    await until('it has gone back', async () => (await lockgate.status('lies')).release === 'r1', 60_000)
    return { live, seconds: (performance.now() - began) / 1_000 }
  })

  tell(task, { faults: 1, 'back after s': Math.round(result.seconds) })
  expectSucceeded(result.live)
  expect(report.failed).toBeGreaterThan(0)
  expect(result.seconds).toBeLessThan(60)
  await until('nothing is under way', async () => (await lockgate.status('lies')).deploymentId === null, 30_000)
  await underLoad(lockgate, { app: 'lies', host, task }, async () => expectSucceeded(await lockgate.deploy('lies', { verb: 'restart' })))
})

describe('one that is gone back from by itself, and the server killed meanwhile, is gone back from once', () => {
  test.for(['watch.before-rollback', 'watch.after-rollback'])('dies at %s', async (point, { task }) => {
    const name = `lies-${point.replace('.', '-')}`
    const host = await aServedApp(lockgate, name, { image: good })
    const file = join(lockgate.directory, 'point')
    await lockgate.stopServer()
    await lockgate.start({ LOCKGATE_TEST_MODE: 'crash', LOCKGATE_FAILPOINT_FILE: file })

    const { report } = await underLoad(lockgate, { app: name, host, task, allowed: [/^status 500$/] }, async () => {
      await writeFile(file, point)
      await begin(lockgate, name, { verb: 'deploy', image: good, manifest: LIES })
      await until('the server dies', () => lockgate.hasEnded(), 60_000)
      await lockgate.start()
      await until('it has gone back', async () => (await lockgate.status(name)).release === 'r1', 30_000)
      await until('nothing is under way', async () => (await lockgate.status(name)).deploymentId === null, 30_000)
    })

    tell(task, { kills: 1 })
    expect(report.failed).toBeGreaterThan(0)
    const deployments = await lockgate.call(endpoints.listDeployments, { params: { app: name, environment: 'production' } as never })
    expect(deployments.map(({ verb, status }) => `${verb} ${status}`)).toEqual(['rollback succeeded', 'deploy succeeded', 'deploy succeeded'])
    // What it went back to was never proven: it is watched now, and there is nothing to go back to from it.
    expect(await lockgate.status(name)).toMatchObject({ state: 'running', ready: 1, watch: { deploymentId: deployments[0]?.id, before: null } })
  })
})

test('one that is killed for its memory while it serves says so, also when the engine has started it again', async ({ task }) => {
  const program = `const all = []; ${SERVES}(q.url === '/fill' && setInterval(() => all.push(Buffer.alloc(5e7, 1)), 5), r.end())${LISTENS}`
  await aServedApp(lockgate, 'fills', { image: good, manifest: running(program, 'limits:\n  memory: 96MB\n') })
  await ask(lockgate.edge.config.httpPort, 'fills.localhost', { path: '/fill' }).catch(() => undefined)

  tell(task, { faults: 1 })
  await until('it was started again', async () => ((await lockgate.status('fills')).instances[0]?.restarts ?? 0) >= 1, 20_000)
  await until('it serves again', async () => (await lockgate.status('fills')).ready === 1, 30_000)
  expect((await lockgate.status('fills')).instances[0]?.detail).toMatch(/started again: it had run out of memory/)
})

test('all of them together have left what is recorded, and nothing else', async ({ task }) => {
  tell(task, { faults: 0 })
  await expectWhole(
    lockgate,
    [...BAD.map(([name]) => name), 'lies', 'lies-watch-before-rollback', 'lies-watch-after-rollback', 'fills'].map((app) => ({ app, count: 1 })),
  )
})
