import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { aFolder } from '../../../../test/support/store.ts'
import { until } from '../../../../test/support/until.ts'
import { launch } from '../../../lib/run.ts'
import { type InfoFacts, infoOf } from './info.ts'
import { Mirror } from './mirror.ts'
import { emptyPool } from './pool.ts'
import { Config } from './schema.ts'
import { haproxyArguments, mastersOf } from './start.ts'

const config = Config.parse({ directory: '/var/lib/lockgate/edge', httpPort: 8080 })
const FINE: InfoFacts = {
  config,
  isWritable: true,
  pool: emptyPool(config.pool),
  workers: { version: '2.6', current: 7, old: [] },
  generation: 3,
  masters: [6],
  damaged: [],
}
const red = (facts: Partial<InfoFacts>) => infoOf({ ...FINE, ...facts }).checks.filter(({ ok }) => !ok)

test('the edge is fine when nothing is wrong', () => {
  expect(red({})).toEqual([])
})

test.each([
  ['process', { workers: null }, /does not answer/],
  ['workers', { workers: { version: '2.6', current: null, old: [] } }, /0 worker serves/],
  ['masters', { masters: [6, 9] }, /^2 HAProxy masters \(pids 6, 9\) use .*bin\/up/],
  ['mirror', { isWritable: false }, /not writable/],
  ['files', { damaged: ['/a/haproxy.cfg', '/a/maps/hosts.map'] }, /^\/a\/haproxy\.cfg, \/a\/maps\/hosts\.map are missing or changed/],
] as const)('the check %s is red when its fault is there', (name, fault, sentence) => {
  expect(red(fault)).toContainEqual({ name, ok: false, sentence: expect.stringMatching(sentence) })
})

test('files that are missing or changed are named until they are written again', async () => {
  const own = Config.parse({ directory: await aFolder(), httpPort: 8080 })
  const mirror = new Mirror(own, { ipv6: false, user: null })
  await mirror.prepare(emptyPool(own.pool))
  expect(await mirror.damaged()).toEqual([])
  const [cfg, page] = [join(own.directory, 'haproxy.cfg'), join(own.directory, 'lockgate.lua')]

  await rm(cfg)
  await writeFile(page, 'changed')

  expect([...(await mirror.damaged())].toSorted()).toEqual([cfg, page].toSorted())
  await until('they are written again', async () => (await mirror.restore()).length > 0)
  expect(await mirror.damaged()).toEqual([])
})

test('masters are found by the folder they serve from; a worker of a master is none', async () => {
  const own = Config.parse({ directory: await aFolder(), httpPort: 8080 })
  // A stand-in that starts a child with its own command line, as a master starts a worker.
  const code = `if (!process.env.WORKER) require('node:child_process').spawn(process.execPath, process.execArgv.concat(process.argv.slice(1)), { env: { WORKER: '1' } }); const parent = process.ppid; setInterval(() => process.ppid === parent || process.exit(), 50)`
  const program = join(own.directory, 'stand-in.cjs')
  await writeFile(program, code)
  const start = () => {
    const child = launch(process.execPath, [program, ...haproxyArguments(own)])
    onTestFinished(() => void child.kill('SIGKILL'))
    return child.pid
  }
  expect(await mastersOf(own)).toEqual([])

  const first = start()
  await until('one master is found', async () => (await mastersOf(own)).length === 1)
  const second = start()
  await until('two masters are found', async () => (await mastersOf(own)).length === 2)

  expect([...(await mastersOf(own))].toSorted((a, b) => a - b)).toEqual([first, second].toSorted((a, b) => Number(a) - Number(b)))
})
