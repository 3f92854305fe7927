import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { run } from '../../src/lib/run.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'

const STRANGER = `lockgate-test-stranger-${process.pid}`
let lockgate: Installation

beforeAll(async () => {
  await run('docker', ['network', 'create', '--subnet', '10.224.0.0/26', '--', STRANGER])
  lockgate = await anInstallation({ range: '10.224.0.0/16' })
})
afterAll(async () => {
  await lockgate?.stop()
  await run('docker', ['network', 'rm', '--', STRANGER])
})

test('addresses that a network of somebody else has are left to it', async () => {
  await lockgate.call(endpoints.createApp, { body: { name: 'shop' } })

  const live = await lockgate.deploy('shop', { verb: 'deploy', image: await testImage(lockgate.boxes, 'hello') })

  expect(live.deployment.status).toBe('succeeded')
  const status = await lockgate.call(endpoints.readEnvironment, { params: { app: 'shop', environment: 'production' } })
  expect(status.instances[0]?.address).toMatch(/^10\.224\.0\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]):8080$/)
})
