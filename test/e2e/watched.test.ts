// What visitors read while a release goes wrong after it went live, and while the only instance of a good one dies.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let good: string

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.229.0.0/16' })
  good = await testImage(lockgate.boxes, 'hello')
})
afterAll(() => lockgate?.stop())

/** One after another and each on a connection of its own, until they are told to stop; what they were answered. */
function visitors(host: string, everyMs = 20) {
  const answers: Promise<number>[] = []
  const timer = setInterval(() => {
    answers.push(
      ask(lockgate.edge.config.httpPort, host).then(
        ({ status }) => status,
        () => 0,
      ),
    )
  }, everyMs)
  return async () => {
    clearInterval(timer)
    return Promise.all(answers)
  }
}

const running = (program: string): string =>
  `processes:\n  web:\n    command: [node, -e, ${JSON.stringify(`require('http').createServer((q, r) => r.end('new')).listen(process.env.PORT); ${program}`)}]\nhealth:\n  interval: 500ms\n  timeout: 500ms\n`

test.each([
  ['crash-loops', running('setTimeout(() => process.exit(3), 4000)')],
  ['hangs', running('setTimeout(() => { for (;;); }, 4000)')],
  ['fills', running('const all = []; setTimeout(() => setInterval(() => all.push(Buffer.alloc(5e7, 1)), 10), 4000)')],
])(
  'a release that %s after it went live is taken back within seconds, and rollback does not go to it',
  async (name, manifest) => {
    const host = await lockgate.create(name)
    await lockgate.deploy(name, { verb: 'deploy', image: good })

    const live = await lockgate.deploy(name, { verb: 'deploy', image: good, manifest })
    expect(live.deployment.status, live.deployment.message).toBe('succeeded')
    const stop = visitors(host, 200)
    const began = performance.now()
    // A request to one that hangs is never answered.
    const answered = () => Promise.race([ask(lockgate.edge.config.httpPort, host).catch(() => null), pause(1_000).then(() => null)])
    await until('it is found', async () => (await lockgate.status(name)).deploymentId !== null || (await lockgate.status(name)).release === 'r1', 40_000)
    await until('visitors have the old release', async () => ((await answered())?.body ?? 'new') !== 'new', 20_000)
    const seconds = (performance.now() - began) / 1_000
    // What is in flight to one that hangs is waited for until its drain deadline.
    await until('it is taken back', async () => (await lockgate.status(name)).release === 'r1' && (await lockgate.status(name)).deploymentId === null, 60_000)
    await stop()

    expect(seconds).toBeLessThan(30)
    const releases = await lockgate.call(endpoints.listReleases, { params: { app: name, environment: 'production' } } as never)
    expect(releases.find((release) => release.name === 'r2')).toMatchObject({ provenAt: null, fault: expect.any(String) })
  },
  120_000,
)

test('the only instance is killed: only what was in flight fails', async () => {
  const host = await lockgate.create('only')
  await lockgate.deploy('only', { verb: 'deploy', image: good })
  const name = (await lockgate.status('only')).instances[0]?.name ?? ''
  const stop = visitors(host)
  await pause(1_000)

  for (let kill = 0; kill < 3; kill += 1) {
    await run('docker', ['exec', '--user', '0', '--', name, 'sh', '-c', 'kill -9 -1'], { anyStatus: true })
    await until('it answers', async () => (await ask(lockgate.edge.config.httpPort, host)).status === 200, 20_000)
    await until('it is ready', async () => (await lockgate.status('only')).ready === 1, 20_000)
    await pause(2_000)
  }
  const answers = await stop()

  expect(answers.length).toBeGreaterThan(200)
  expect(answers.filter((status) => status !== 200).length).toBeLessThanOrEqual(6)
}, 120_000)
