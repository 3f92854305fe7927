import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { ask, aTable, target } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

test.each([
  ['a map is deleted', (folder: string) => rm(join(folder, 'maps/hosts.map'))],
  ['all maps are deleted', (folder: string) => rm(join(folder, 'maps'), { recursive: true })],
  ['a map is cut', (folder: string) => writeFile(join(folder, 'maps/arms.map'), 'e-')],
  ['the configuration is damaged', (folder: string) => writeFile(join(folder, 'haproxy.cfg'), 'global\n  nonsense\n')],
  ['the pages are deleted', (folder: string) => rm(join(folder, 'pages'), { recursive: true })],
  ['the program is deleted', (folder: string) => rm(join(folder, 'lockgate.lua'))],
  ['the state is deleted', (folder: string) => rm(join(folder, 'state.json'))],
])('%s: it is written again within seconds, and the next start of HAProxy serves as before', async (_what, damage) => {
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await anApp('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  await edge.serve(table)
  const { directory } = running.config
  const filesOf = async () => {
    const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    return Object.fromEntries(await Promise.all(names.map(async (entry) => [entry.name, await readFile(join(entry.parentPath, entry.name), 'utf8')] as const)))
  }
  const before = await filesOf()

  await damage(directory)
  // As the server does every 2 s.
  await until(
    'every file is as it was',
    async () => {
      await edge.takenOut()
      return JSON.stringify(Object.entries(await filesOf()).sort()) === JSON.stringify(Object.entries(before).sort())
    },
    10_000,
  )
  await running.crash()

  expect((await ask(running.config.httpPort, 'shop.test')).body).toEqual('i-1')
  expect(await edge.generation()).toEqual(1)
})

test('a reload leaves no candidate of a configuration behind', async () => {
  const running = await startHaproxy({ pool: { http: { 8: 1, 32: 0, 128: 0 }, h2c: { 8: 0, 32: 0, 128: 0 } } })
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  const app = await anApp('i-1')
  await edge.serve(
    aTable(
      1,
      Array.from({ length: 3 }, (_, at) => ({ hosts: [`h${at}.test`], targets: [{ ...target(app), instance: `i-${at}` }] })),
    ),
  )

  expect((await readdir(running.config.directory)).filter((name) => name.includes('candidate'))).toEqual([])
})
