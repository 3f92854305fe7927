// A server that stands still (stopped, swapped out, a stuck disk): visitors are served on, and whoever asks is told.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../../src/lib/run.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person } from '../support/person.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.203.0.0/16' })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
})
afterAll(async () => {
  process.kill(lockgate.pid(), 'SIGCONT')
  await ada?.leave()
  await lockgate?.stop()
})

const statusOf = async (host: string): Promise<number> => {
  const answer = await ask(lockgate.edge.config.httpPort, host).catch(() => null)
  return answer?.status ?? 0
}

test('while the server is frozen an instance that was taken out comes back by itself, a command says what is wrong, and all goes on afterwards', async () => {
  const host = await lockgate.create('shop')
  await lockgate.deploy('shop', { verb: 'deploy', image: await testImage(lockgate.boxes, 'hello') })
  const instance = (await lockgate.status('shop')).instances[0]?.name ?? ''
  process.kill(lockgate.pid(), 'SIGSTOP')

  await run('docker', ['stop', '-t', '1', instance])
  await until('the edge has taken the instance out', async () => (await statusOf(host)) === 503, 60_000)
  await run('docker', ['start', instance])

  await until('visitors are answered again, without the server', async () => (await statusOf(host)) === 200, 30_000)
  const began = performance.now()
  const told = await ada.lockgate(['status', 'shop'])
  expect(told).toMatchObject({ status: 6 })
  expect(told.stderr).toMatch(/has not answered for \d+ s, .*its process hangs/)
  expect(performance.now() - began).toBeLessThan(20_000)
  for (let asked = 0; asked < 20; asked++) expect(await statusOf(host)).toBe(200)

  process.kill(lockgate.pid(), 'SIGCONT')
  await until('it is running', async () => (await lockgate.status('shop')).state === 'running', 30_000)
  expect((await lockgate.deploy('shop', { verb: 'restart' })).deployment).toMatchObject({ status: 'succeeded' })
  expect(await statusOf(host)).toBe(200)
})
