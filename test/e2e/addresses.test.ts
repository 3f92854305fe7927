import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { run } from '../../src/lib/run.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'

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

test('a network that somebody deletes is made again within seconds, and its addresses lead nowhere meanwhile', async () => {
  const host = await lockgate.create('lost')
  await lockgate.deploy('lost', { verb: 'deploy', image: await testImage(lockgate.boxes, 'hello') })
  const { id, instances } = await lockgate.status('lost')
  const instance = instances[0]
  const network = `lockgate-${lockgate.name}-${id}`

  await run('docker', ['network', 'disconnect', '--force', '--', network, instance?.name ?? ''])
  await run('docker', ['network', 'rm', '--', network])
  const way = await run('ip', ['route', 'get', instance?.address?.split(':')[0] ?? ''], { anyStatus: true })
  const statuses = new Set<number>()
  await until(
    'it answers again',
    async () => {
      const { status } = await ask(lockgate.edge.config.httpPort, host)
      statuses.add(status)
      return status === 200 && (await lockgate.status('lost')).instances[0]?.state === 'ready'
    },
    20_000,
  )

  expect(`${way.stdout}${way.stderr}`).toMatch(/unreachable|No route to host|10\.224/)
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
  expect((await run('nft', ['list', 'table', 'inet', `lockgate_${lockgate.name}_instances`])).stdout).toContain('ip daddr 169.254.0.0/16')
})

test('an address that a container of somebody else took in a network of ours is left to it', async () => {
  await lockgate.create('guest')
  const image = await testImage(lockgate.boxes, 'hello')
  await lockgate.deploy('guest', { verb: 'deploy', image })
  const { id, instances } = await lockgate.status('guest')
  const [, prefix = '', last = '0'] = /^(.*\.)(\d+):/.exec(instances[0]?.address ?? '') ?? []
  const next = `${prefix}${Number(last) + 1}`
  const stranger = `lockgate-test-guest-${process.pid}`
  await run('docker', ['run', '--detach', '--name', stranger, '--network', `lockgate-${lockgate.name}-${id}`, '--ip', next, '--', image])
  try {
    const live = await lockgate.deploy('guest', { verb: 'restart' })

    expect(live.deployment.status).toBe('succeeded')
    expect((await lockgate.status('guest')).instances[0]?.address).not.toContain(`${next}:`)
  } finally {
    await run('docker', ['rm', '--force', '--', stranger])
  }
})
