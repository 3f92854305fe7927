import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { run } from '../../src/lib/run.ts'
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

  test('an image with a volume goes live, and the answer says that the volume is not kept', async () => {
    await create('shop-volume')
    const [box, tag] = [`lockgate-volume-${process.pid}`, `lockgate-test/volume-${process.pid}:1`]
    await run('docker', ['create', '--name', box, one])
    await run('docker', ['commit', '--change', 'VOLUME /var/lib/data', box, tag])
    await run('docker', ['rm', '-v', box])
    onTestFinished(async () => void (await run('docker', ['rmi', '-f', tag], { anyStatus: true })))
    const params = { app: 'shop-volume', environment: 'production' } as never

    const { notes } = await lockgate.call(endpoints.openDeployment, { params, body: { verb: 'deploy', image: tag } })

    expect(notes).toEqual([expect.stringContaining('VOLUME /var/lib/data of the image, which is not kept')])
    await until('it answers', async () => (await ask(lockgate.edge.config.httpPort, 'shop-volume.localhost')).status === 200)
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
