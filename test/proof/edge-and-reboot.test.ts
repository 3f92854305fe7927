// HAProxy is killed at each step of a release; everything is killed at once, as by a reboot.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import type { StepKind } from '../../src/core/deployment/step.ts'
import { EngineClient } from '../../src/drivers/runtime/docker/client.ts'
import { formatReport, startDisruption } from '../support/disruption/index.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { tell } from '../support/proof.ts'
import { aServedApp, begin, expectSucceeded, underLoad } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { expectWhole } from '../support/world.ts'

let lockgate: Installation
const images: string[] = []

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.206.0.0/16' })
  for (const version of ['one', 'two']) images.push(await testImage(lockgate.boxes, 'all', version))
})
afterAll(() => lockgate?.stop())

async function reaches(id: string, kind: StepKind): Promise<void> {
  await until(
    `it is at ${kind}`,
    async () => (await lockgate.call(endpoints.readDeployment, { params: { id } })).steps.some((step) => step.kind === kind),
    30_000,
  )
}

/** What a dying proxy takes with it: connections that were open, and those that came before it was there again. */
const CUT = [/^reset/, /^refused/, /socket hang up/i, /^ECONN/]
const STRATEGIES = ['blue-green', 'rolling', 'recreate'] as const
const STEPS: Readonly<Record<(typeof STRATEGIES)[number], readonly StepKind[]>> = {
  'blue-green': ['start', 'resume-traffic', 'switch', 'stop-traffic', 'stop'],
  rolling: ['start', 'resume-traffic', 'stop-traffic'],
  recreate: ['hold', 'stop', 'start', 'end-hold'],
}

describe('HAProxy is killed in the middle of a release', () => {
  const apps = new Map<string, { readonly host: string; version: number }>()
  test.for(STRATEGIES.flatMap((strategy) => STEPS[strategy].map((kind) => [strategy, kind] as const)))('%s, at %s', async ([strategy, kind], { task }) => {
    const manifest = `strategy: ${strategy}\n`
    const app = apps.get(strategy) ?? { host: await aServedApp(lockgate, strategy, { image: images[0] ?? '', manifest }), version: 0 }
    apps.set(strategy, app)
    app.version = 1 - app.version
    const starts = lockgate.edge.starts()

    const { result } = await underLoad(lockgate, { app: strategy, host: app.host, task, allowed: CUT }, async () => {
      const id = await begin(lockgate, strategy, { verb: 'deploy', image: images[app.version] ?? '', manifest })
      await reaches(id, kind)
      await lockgate.edge.crash()
      return lockgate.ended(id)
    })

    tell(task, { faults: 1 })
    expect(lockgate.edge.starts()).toBeGreaterThan(starts)
    expectSucceeded(result)
    await expectWhole(
      lockgate,
      [...apps.keys()].map((name) => ({ app: name, count: 1 })),
    )
    expect((await ask(lockgate.edge.config.httpPort, app.host)).headers['x-version']).toBe(['one', 'two'][app.version])
    // It is as good as before: nothing fails any more.
    await underLoad(lockgate, { app: strategy, host: app.host, task }, async () => expectSucceeded(await lockgate.deploy(strategy, { verb: 'restart' })))
  })
})

describe('everything is killed at once in the middle of a release, and started again', () => {
  const running: { readonly app: string; readonly count: number }[] = STRATEGIES.map((app) => ({ app, count: 1 }))
  test.for(['update', 'start', 'switch', 'stop'] as const)('at %s', async (kind, { task }) => {
    const name = `reboot-${kind}`
    const host = await aServedApp(lockgate, name, { image: images[0] ?? '' })
    running.push({ app: name, count: 1 })
    const id = await begin(lockgate, name, { verb: 'deploy', image: images[1] ?? '' })
    await reaches(id, kind)

    await lockgate.kill()
    await killInstances()
    await lockgate.edge.crash()
    await lockgate.start()
    const began = performance.now()
    const live = await lockgate.ended(id)

    tell(task, { faults: 1, 'back after s': Math.round((performance.now() - began) / 1_000) })
    expectSucceeded(live)
    await expectWhole(lockgate, running)
    const clients = await startDisruption({ port: lockgate.edge.config.httpPort, host, rate: 60, kinds: ['new', 'kept'] })
    expect((await ask(lockgate.edge.config.httpPort, host)).headers['x-version']).toBe('two')
    const report = await clients.stop()
    expect(report.failed, formatReport(report)).toBe(0)
  })
})

/** As a reboot ends them: killed, and not started again by the engine. */
async function killInstances(): Promise<void> {
  const client = new EngineClient('/var/run/docker.sock', 30_000)
  const names = (await lockgate.runtime.observe()).filter((one) => one.state === 'running').map((one) => one.name)
  await Promise.all(names.map((name) => client.send({ method: 'POST', path: `/containers/${name}/kill` }).catch(() => undefined)))
}
