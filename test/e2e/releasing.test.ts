// How releases move and are judged: a whole server, real containers and HAProxy, visitors all the time.
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { startDisruption } from '../support/disruption/index.ts'
import type { Report } from '../support/disruption/types.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation, type Live } from '../support/installation.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let one: string
let two: string

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.229.0.0/16' })
  one = await testImage(lockgate.boxes, 'hello', 'one')
  two = await testImage(lockgate.boxes, 'hello', 'two')
})
afterAll(() => lockgate.stop())

const params = (app: string) => ({ app, environment: 'production' }) as never
const port = (): number => lockgate.edge.config.httpPort
/** Probes see a port that accepts, whatever is answered: a health check that lies. */
const LYING = 'health: {kind: tcp}\n'

async function opened(app: string, body: object): Promise<string> {
  const { deployment } = await lockgate.call(endpoints.openDeployment, { params: params(app), body: body as never })
  return deployment?.id ?? ''
}

function picture(id: string): Promise<Live> {
  return lockgate.call(endpoints.readDeployment, { params: { id } })
}

/** Visitors until they are stopped, or the test has ended. */
async function visitors(app: string): Promise<{ stop(): Promise<Report> }> {
  const client = await startDisruption({ port: port(), host: `${app}.localhost`, rate: 60, kinds: ['new', 'kept'] })
  let report: Promise<Report> | null = null
  const stop = (): Promise<Report> => {
    report ??= client.stop()
    return report
  }
  onTestFinished(async () => void (await stop()))
  return { stop }
}

test('recreate: requests wait while nothing runs and no server either, and all are answered', async () => {
  await lockgate.create('held')
  const manifest = 'strategy: {kind: recreate, hold: 60s}\n'
  await lockgate.deploy('held', { verb: 'deploy', image: one, manifest })
  const client = await visitors('held')
  const id = await opened('held', { verb: 'deploy', image: two, manifest })
  await until('requests are held', async () => (await picture(id)).steps.some((step) => step.kind === 'stop'))

  await lockgate.kill()
  await lockgate.start()

  const { deployment, steps } = await lockgate.ended(id)
  const report = await client.stop()
  expect(deployment.status).toBe('succeeded')
  expect([report.failed, report.sent > 50]).toEqual([0, true])
  const at = (kind: string): number => steps.findIndex((step) => step.kind === kind)
  expect([at('hold') < at('stop-traffic'), at('stop') < at('start'), at('resume-traffic') < at('end-hold')]).toEqual([true, true, true])
  expect((await ask(port(), 'held.localhost')).headers['x-version']).toBe('two')
})

test('a canary that answers well goes on by itself, and its cookie keeps a visitor on a side', async () => {
  await lockgate.create('canary')
  const manifest = 'strategy: {kind: canary, steps: [20, 60], soak: 2s, least: 10, sticky: cookie}\n'
  await lockgate.deploy('canary', { verb: 'deploy', image: one, manifest })
  const client = await visitors('canary')
  const id = await opened('canary', { verb: 'deploy', image: two, manifest })
  await until('a share is watched', async () => (await picture(id)).steps.some((step) => step.kind === 'soak'))

  const first = await ask(port(), 'canary.localhost')
  const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  const again = await Promise.all(Array.from({ length: 20 }, () => ask(port(), 'canary.localhost', { headers: { cookie } })))

  expect(cookie).toMatch(/^lockgate_canary=\d+-/)
  if (first.headers['x-version'] === 'two') expect(new Set(again.map((answer) => answer.headers['x-version']))).toEqual(new Set(['two']))
  const { deployment, steps } = await lockgate.ended(id)
  expect([deployment.status, (await client.stop()).failed]).toEqual(['succeeded', 0])
  expect(steps.filter((step) => step.kind === 'soak').map((step) => step.numbers.percent)).toEqual([20, 60])
})

test('a canary that answers worse goes back by itself', async () => {
  await lockgate.create('worse')
  const lying = await testImage(lockgate.boxes, 'unhealthy', 'worse')
  const manifest = `${LYING}strategy: {kind: canary, steps: [30], soak: 60s}\n`
  await lockgate.deploy('worse', { verb: 'deploy', image: one, manifest })
  await visitors('worse')

  const { deployment } = await lockgate.deploy('worse', { verb: 'deploy', image: lying, manifest })

  expect(deployment).toMatchObject({ status: 'failed', cause: 'answers_worse' })
  expect(deployment.message).toMatch(/^r2 at 30 % answers worse: \d+ of \d+ requests to it failed, 0 of \d+ to the one before$/)
  const status = await lockgate.status('worse')
  expect([status.release, status.pinned, status.share]).toEqual(['r1', ['r2'], 0])
  expect((await ask(port(), 'worse.localhost')).status).toBe(200)
})

test('a canary nobody visits asks, stands still over a kill, and goes on when it is answered', async () => {
  await lockgate.create('quiet')
  const manifest = 'strategy: {kind: canary, steps: [10], soak: 500ms}\n'
  await lockgate.deploy('quiet', { verb: 'deploy', image: one, manifest })
  const id = await opened('quiet', { verb: 'deploy', image: two, manifest })
  await until('it asks', async () => (await picture(id)).deployment.status === 'paused')
  expect((await picture(id)).deployment.blocked).toContain('it had 0 requests, and 50 are needed for a verdict')
  expect((await lockgate.status('quiet')).state).toBe('paused')

  await lockgate.kill()
  await lockgate.start()
  expect((await picture(id)).deployment.status).toBe('paused')
  await lockgate.call(endpoints.resumeDeployment, { params: { id } })

  expect((await lockgate.ended(id)).deployment.status).toBe('succeeded')
})

test('a health check that lies: the release goes back by itself, and only what it answered itself has failed', async () => {
  await lockgate.create('lying')
  const lying = await testImage(lockgate.boxes, 'unhealthy', 'lying')
  await lockgate.deploy('lying', { verb: 'deploy', image: one, manifest: LYING })
  const client = await visitors('lying')
  expect((await lockgate.deploy('lying', { verb: 'deploy', image: lying, manifest: LYING })).deployment.status).toBe('succeeded')

  await until('it has gone back', async () => (await lockgate.status('lying')).release === 'r1', 30_000)

  const { kinds } = await client.stop()
  // The bad release says 503 with a word of its own; nothing but its own answers has failed.
  const reasons = Object.values(kinds).flatMap((tally) => Object.keys(tally.reasons))
  expect(new Set(reasons)).toEqual(new Set(['status 503']))
  expect((await lockgate.status('lying')).pinned).toEqual(['r2'])
})

test('an environment is told how its releases move, in words that are read strictly', async () => {
  await lockgate.create('told')
  const tell = (strategy: unknown) => lockgate.call(endpoints.changeEnvironment, { params: params('told'), body: { strategy } as never })

  expect((await tell({ kind: 'canary', steps: [10], soak: '5s', sticky: { header: 'X-Customer' } })).strategy).toEqual({
    kind: 'canary',
    steps: [10],
    soakMs: 5_000,
    leastRequests: 50,
    sticky: { by: 'header', name: 'x-customer' },
  })
  expect((await tell({ kind: 'recreate', hold: '0s' })).strategy).toEqual({ kind: 'recreate', holdMs: 0 })
  await expect(tell({ kind: 'rolling', hold: '3s' })).rejects.toMatchObject({ message: expect.stringContaining('this belongs to the strategy recreate') })
  // lockgate.yaml does not overrule what was set.
  await lockgate.deploy('told', { verb: 'deploy', image: one, manifest: 'strategy: blue-green\n' })
  expect((await lockgate.status('told')).strategy.kind).toBe('recreate')
  await tell(null)
  await lockgate.deploy('told', { verb: 'deploy', image: two, manifest: 'strategy: {kind: rolling, surge: 3}\n' })
  expect((await lockgate.status('told')).strategy).toEqual({ kind: 'rolling', surge: 3 })
})
