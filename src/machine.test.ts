import { mkdir, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { aFolder } from '../test/support/store.ts'
import { until } from '../test/support/until.ts'
import { writePid } from './lib/pid-file.ts'
import { launch } from './lib/run.ts'
import { sharedPort, supervisorChecks } from './machine.ts'

const settingsIn = (home: string) => ({ dataDirectory: join(home, 'data') })

/** A process with the command line of a supervisor of this home. */
async function aSupervisor(home: string): Promise<void> {
  const program = join(home, 'supervisor.js')
  await writeFile(program, 'setInterval(() => undefined, 1000)')
  const child = launch(process.execPath, [program, home])
  onTestFinished(() => void child.kill('SIGKILL'))
}

/** A home whose supervisor started this process as the server. */
async function aHome(): Promise<string> {
  const home = await aFolder()
  await mkdir(join(home, 'run'))
  await writeFile(join(home, 'processes.json'), '[]')
  writePid(join(home, 'run', 'server.pid'), process.pid)
  return home
}

test.each([['processes.json'], ['run/server.pid']])('a server without %s was not started by a supervisor, and doctor asks for none', async (file) => {
  const home = await aHome()
  expect(await supervisorChecks(settingsIn(home))).toHaveLength(1)

  await rm(join(home, file))

  expect(await supervisorChecks(settingsIn(home))).toEqual([])
})

test('doctor asks for no supervisor where the one of that home keeps another process', async () => {
  const home = await aHome()
  writePid(join(home, 'run', 'server.pid'), process.ppid)

  expect(await supervisorChecks(settingsIn(home))).toEqual([])
})

test('doctor is red without a supervisor and with two, and green with one', async () => {
  const home = await aHome()
  const check = async () => (await supervisorChecks(settingsIn(home)))[0]
  expect(await check()).toMatchObject({ area: 'machine', name: 'supervisor', ok: false, sentence: expect.stringContaining(`Run "bin/up --home ${home}"`) })

  await aSupervisor(home)
  await until('one supervisor is seen', async () => (await check())?.ok === true)

  await aSupervisor(home)
  await until('two supervisors are seen', async () => (await check())?.sentence.startsWith(`2 supervisors run for ${home}`) === true)
  expect(await check()).toMatchObject({ ok: false })
})

/** A program that listens on a port which it lets others share; gives the port. */
async function aListener(port: number): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ port, host: '127.0.0.1', reusePort: true }, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('doctor is red when two programs share the port of the edge, and green with one and with none', async () => {
  const port = await aListener(0)
  const check = (httpPort: number) => sharedPort({ dataDirectory: '/nowhere/data', edge: { driver: 'haproxy', config: { httpPort } } })
  expect(await check(port)).toMatchObject({ ok: true })
  expect(await check(1)).toMatchObject({ ok: true })

  await aListener(port)

  expect(await check(port)).toMatchObject({ area: 'ports', ok: false, sentence: expect.stringContaining(`2 sockets listen on port ${port}`) })
})
