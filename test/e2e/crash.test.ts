import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import type { StepKind } from '../../src/core/deployment/step.ts'
import { formatReport, startDisruption } from '../support/disruption/index.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
const images: string[] = []

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.212.0.0/16' })
  for (const version of ['one', 'two']) images.push(await testImage(lockgate.boxes, 'hello', version))
  for (const [name, count] of [
    ['blue', 1],
    ['roll', 2],
  ] as const) {
    await lockgate.call(endpoints.createApp, { body: { name: name as never } })
    await lockgate.deploy(name, { verb: 'scale', count })
    await lockgate.deploy(name, { verb: 'deploy', image: images[0] ?? '' })
  }
})
afterAll(() => lockgate?.stop())

const EVERY: readonly StepKind[] = ['check', 'update', 'start', 'resume-traffic', 'stop-traffic', 'stop', 'remove']
const POINTS = [
  ...[...EVERY, 'switch' as const].flatMap((kind) => ['after-effect', 'after-result'].map((point) => ['blue', 1, `${kind}.${point}`] as const)),
  ...EVERY.map((kind) => ['roll', 2, `${kind}.after-effect`] as const),
  ['roll', 2, 'update.after-intent'] as const,
  ['blue', 1, 'switch.after-intent'] as const,
]

describe('kill -9 of the server in the middle of a deployment', () => {
  test.each(POINTS)('%s with %i: %s is taken up again, and no request is lost', async (name, count, point) => {
    const host = `${name}.localhost`
    const before = (await ask(lockgate.edge.config.httpPort, host)).headers['x-version']
    const [image, version] = before === 'one' ? [images[1], 'two'] : [images[0], 'one']
    await lockgate.stopServer()
    await lockgate.start({ LOCKGATE_TEST_MODE: 'crash', LOCKGATE_FAILPOINT: point })
    const clients = await startDisruption({ port: lockgate.edge.config.httpPort, host, rate: 100, kinds: ['new', 'kept'] })

    const { deployment } = await lockgate.call(endpoints.openDeployment, {
      params: { app: name, environment: 'production' } as never,
      body: { verb: 'deploy', image: image ?? '' },
    })
    await until('the server was killed', () => lockgate.hasEnded())
    await lockgate.start()
    const began = performance.now()
    const live = await lockgate.ended(deployment?.id ?? '')
    const seconds = (performance.now() - began) / 1000
    const report = await clients.stop()

    expect(live.deployment.status).toBe('succeeded')
    expect(seconds).toBeLessThan(10)
    expect(report.failed, formatReport(report)).toBe(0)
    expect((await ask(lockgate.edge.config.httpPort, host)).headers['x-version']).toBe(version)
    const environmentId = (await lockgate.call(endpoints.readEnvironment, { params: { app: name, environment: 'production' } as never })).id
    const containers = await lockgate.runtime.observe(environmentId)
    expect(containers.map((one) => one.state)).toEqual(Array.from({ length: count }, () => 'running'))
    const checks = await lockgate.call(endpoints.doctor, {})
    expect(checks.filter((check) => check.area === 'invariant' && !check.ok)).toEqual([])
  })
})
