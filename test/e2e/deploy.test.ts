import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { formatReport, startDisruption } from '../support/disruption/index.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation, words } from '../support/installation.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let one: string
let two: string

beforeAll(async () => {
  lockgate = await anInstallation()
  one = await testImage(lockgate.boxes, 'hello', 'one')
  two = await testImage(lockgate.boxes, 'hello', 'two')
})
afterAll(() => lockgate?.stop())

async function create(name: string): Promise<string> {
  await lockgate.call(endpoints.createApp, { body: { name: name as never } })
  return `${name}.localhost`
}

describe('an image of two versions under requests', () => {
  test.each([
    ['blue-green with one instance', 'shop-bg', 1],
    ['rolling with two instances', 'shop-roll', 2],
  ])('%s replaces every instance and drops no request', async (_how, name, count) => {
    const host = await create(name)
    await lockgate.deploy(name, { verb: 'scale', count })
    const first = await lockgate.deploy(name, { verb: 'deploy', image: one })
    expect(first.deployment).toMatchObject({ status: 'succeeded', release: 'r1' })
    expect((await ask(lockgate.edge.config.httpPort, host)).body).toContain('one')

    const clients = await startDisruption({ port: lockgate.edge.config.httpPort, host, rate: 200, kinds: ['new', 'kept'] })
    for (const image of [two, one, two]) {
      const done = await lockgate.deploy(name, { verb: 'deploy', image })
      expect(done.deployment.status).toBe('succeeded')
    }
    const report = await clients.stop()

    expect(report.failed, formatReport(report)).toBe(0)
    expect(report.sent).toBeGreaterThan(200)
    expect((await ask(lockgate.edge.config.httpPort, host)).body).toContain('two')
    const status = await lockgate.call(endpoints.readEnvironment, { params: { app: name, environment: 'production' } as never })
    expect(status).toMatchObject({ state: 'running', ready: count, release: 'r4' })
    expect(status.instances).toHaveLength(count)
  })

  test('the ordered flow of a blue-green deployment is in its journal', async () => {
    const status = await lockgate.call(endpoints.listDeployments, { params: { app: 'shop-bg', environment: 'production' } as never })
    const live = await lockgate.call(endpoints.readDeployment, { params: { id: status[0]?.id ?? '' } })

    expect(words(live)).toEqual(['check', 'update', 'start', 'resume-traffic', 'switch', 'stop-traffic', 'stop', 'remove'])
  })

  test('a container that is deleted comes back, and status says so meanwhile', async () => {
    const before = await lockgate.call(endpoints.readEnvironment, { params: { app: 'shop-bg', environment: 'production' } as never })
    await lockgate.runtime.remove(before.instances[0]?.name ?? '')

    await until(
      'its status is true',
      async () => {
        const status = await lockgate.call(endpoints.readEnvironment, { params: { app: 'shop-bg', environment: 'production' } as never })
        return status.ready === 0
      },
      2_000,
    )
    await until('it is back', async () => {
      const status = await lockgate.call(endpoints.readEnvironment, { params: { app: 'shop-bg', environment: 'production' } as never })
      return status.state === 'running'
    })
    await until('it answers again', async () => (await ask(lockgate.edge.config.httpPort, 'shop-bg.localhost')).status === 200)
  })
})
