import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { anApp } from '../../../../test/support/an-app.ts'
import { ask, aTable, target } from '../../../../test/support/edge.ts'
import { ownFolder } from '../../../../test/support/folder.ts'
import { freePort } from '../../../../test/support/haproxy.ts'
import { until } from '../../../../test/support/until.ts'
import { silentLog } from '../../../lib/log.ts'
import { livePid } from '../../../lib/pid-file.ts'
import { launch } from '../../../lib/run.ts'
import { pidFile } from '../../../supervisor.ts'
import { haproxy } from './index.ts'
import { Config } from './schema.ts'
import { MasterSocket } from './socket.ts'
import { edgeListens, haproxyArguments, haproxyCheck, masterSocketPath } from './start.ts'

/** HAProxy under the real supervisor, in a folder of its own. */
async function supervised() {
  const home = ownFolder('edge')
  const config = Config.parse({ directory: join(home, 'edge'), httpPort: await freePort(), bind: '127.0.0.1' })
  for (const folder of ['run', 'log']) await mkdir(join(home, folder), { recursive: true })
  const edge = await haproxy.create(config, { log: silentLog })
  const kept = { name: 'edge', file: config.program, args: haproxyArguments(config), listen: await edgeListens(config), check: haproxyCheck(config) }
  await writeFile(join(home, 'processes.json'), JSON.stringify([kept]))
  const start = () => {
    const child = launch(process.execPath, [new URL('../../../supervisor.ts', import.meta.url).pathname, home])
    child.stdout?.resume()
    child.stderr?.resume()
    return child
  }
  let supervisor = start()
  const socket = new MasterSocket(masterSocketPath(config))
  const master = (): number | null => livePid(pidFile(home, 'edge'), config.program)
  const worker = () =>
    socket.workers().then(
      ({ current }) => current,
      () => null,
    )
  const isUp = () => until('HAProxy serves', async () => master() !== null && (await worker()) !== null)
  onTestFinished(async () => {
    supervisor.kill('SIGTERM')
    await until('HAProxy has ended with its supervisor', () => master() === null)
  })
  await isUp()
  return {
    config,
    edge,
    port: config.httpPort,
    master,
    worker,
    isUp,
    replaceSupervisor: async () => {
      const gone = once(supervisor, 'exit')
      supervisor.kill('SIGKILL')
      await gone
      return () => {
        supervisor = start()
      }
    },
  }
}

/** New connections at a steady rate; what was refused, and who answered. */
function callers(port: number, rate: number) {
  const seen = { refused: 0, broken: 0, answered: 0, bodies: new Map<string, number>() }
  const open = new Set<Promise<void>>()
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1').setEncoding('utf8')
      let text = ''
      socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'))
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') seen.refused += 1
      })
      socket.on('close', () => {
        const body = text.startsWith('HTTP/1.1 200') ? (text.split('\r\n\r\n')[1] ?? '') : text.slice(0, 12)
        if (text === '') seen.broken += 1
        else seen.answered += 1
        seen.bodies.set(body, (seen.bodies.get(body) ?? 0) + 1)
        resolve()
      })
    })
  const timer = setInterval(() => {
    const one = call()
    open.add(one)
    void one.finally(() => open.delete(one))
  }, 1_000 / rate)
  return {
    seen,
    waiting: () => open.size,
    stop: async () => {
      clearInterval(timer)
      await Promise.all(open)
      return seen
    },
  }
}

test('nobody is refused while HAProxy is killed again and again, and what was out of traffic stays out', async () => {
  const { edge, port, master, worker, isUp } = await supervised()
  const [good, out] = [await anApp('good'), await anApp('out')]
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(good), target(out, false)] }]))
  const calling = callers(port, 300)

  for (let round = 0; round < 10; round += 1) {
    const before = calling.seen.answered
    // Whoever waited while HAProxy was away has been answered: what a kill breaks now was in flight.
    await until('callers are answered at once', () => calling.seen.answered > before + 50 && calling.waiting() < 10)
    const victims = [master(), round % 2 === 0 ? null : await worker()]
    for (const pid of victims) if (pid !== null) process.kill(pid, 'SIGKILL')
    await until('HAProxy is started again', () => master() !== null && master() !== victims[0])
    await isUp()
  }
  const { refused, broken, answered, bodies } = await calling.stop()

  expect({ refused, out: out.total() }).toEqual({ refused: 0, out: 0 })
  expect([...bodies.keys()].filter((body) => body !== '' && body !== 'good')).toEqual([])
  expect(broken, `of ${answered}`).toBeLessThan(10 * 15)
  expect(await edge.generation()).toEqual(1)
})

test('a reload keeps the held sockets, and so does the next kill', async () => {
  const { edge, config, port, master, isUp } = await supervised()
  const app = await anApp('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  await edge.serve(table)
  const calling = callers(port, 300)

  const grown = await haproxy.create({ ...config, pool: { ...config.pool, http: { 8: 60, 32: 8, 128: 2 } } }, { log: silentLog })
  await grown.serve({ ...table, generation: 2 })
  const before = master()
  process.kill(before ?? 0, 'SIGKILL')
  await until('HAProxy is started again', () => master() !== null && master() !== before)
  await isUp()
  const answered = calling.seen.answered
  await until('callers are answered', () => calling.seen.answered > answered + 50)

  expect((await calling.stop()).refused).toEqual(0)
  expect(await grown.generation()).toEqual(2)
})

test('HAProxy serves on while its supervisor is killed, and the next one takes over its sockets when it starts it anew', async () => {
  const { edge, port, master, isUp, replaceSupervisor } = await supervised()
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
  const calling = callers(port, 100)
  const before = master()

  const next = await replaceSupervisor()
  const answered = calling.seen.answered
  await until('callers are answered', () => calling.seen.answered > answered + 50)
  expect(master()).toEqual(before)
  next()
  const later = calling.seen.answered
  await until('callers are still answered', () => calling.seen.answered > later + 50)
  expect(master()).toEqual(before)
  expect((await calling.stop()).refused).toEqual(0)

  // Both were killed: only now the sockets are opened anew, and from then on they are held again.
  process.kill(before ?? 0, 'SIGKILL')
  await until('HAProxy is started again', () => master() !== null && master() !== before)
  await isUp()
  const again = callers(port, 300)
  const second = master()
  await until('callers are answered', () => again.seen.answered > 20)
  process.kill(second ?? 0, 'SIGKILL')
  await until('HAProxy is started again', () => master() !== null && master() !== second)
  await isUp()
  expect((await again.stop()).refused).toEqual(0)
  expect((await ask(port, 'shop.test')).body).toEqual('i-1')
})

test('while HAProxy cannot start whoever comes is told so at once, and is served when it can', async () => {
  const { edge, config, port, master, isUp } = await supervised()
  const app = await anApp('i-1')
  await edge.serve(aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }]))
  const path = join(config.directory, 'haproxy.cfg')
  const good = await readFile(path, 'utf8')

  await writeFile(path, 'global\n  nonsense\n')
  process.kill(master() ?? 0, 'SIGKILL')
  await until('it is said', async () => (await ask(port, 'shop.test').catch(() => ({ status: 0 }))).status === 503, 15_000)
  await writeFile(path, good)
  await isUp()

  await until('it serves', async () => (await ask(port, 'shop.test').catch(() => ({ body: '' }))).body === 'i-1', 15_000)
}, 60_000)

test('HAProxy that cannot start from its files is given whole ones by the next table', async () => {
  const { edge, config, port, master } = await supervised()
  const app = await anApp('i-1')
  const table = aTable(1, [{ hosts: ['shop.test'], targets: [target(app)] }])
  await edge.serve(table)

  // All at once, while nobody looks: HAProxy is gone and its files are damaged.
  await writeFile(join(config.directory, 'haproxy.cfg'), 'global\n  nonsense\n')
  await rm(join(config.directory, 'maps'), { recursive: true })
  process.kill(master() ?? 0, 'SIGKILL')
  const next = await haproxy.create(config, { log: silentLog })
  const served = () =>
    next.serve({ ...table, generation: 2 }).then(
      (generation) => generation === 2,
      () => false,
    )
  await until('it serves', served, 30_000)

  expect((await ask(port, 'shop.test')).body).toEqual('i-1')
}, 60_000)
