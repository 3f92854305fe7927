// Every fault that can be planted beside a server without an engine and without HAProxy: doctor is fine before, and red with it.
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { onTestFinished, test } from 'vitest'
import { endpoints } from '../src/api/contract/endpoints.ts'
import { connectTo } from '../src/cli/client.ts'
import { SERVER_FLAGS } from '../src/lib/node-flags.ts'
import { writePid } from '../src/lib/pid-file.ts'
import { launch } from '../src/lib/run.ts'
import { freePort } from './support/haproxy.ts'
import { aFolder } from './support/store.ts'
import { until } from './support/until.ts'

type Check = { readonly area: string; readonly name: string; readonly ok: boolean; readonly sentence: string }

interface Server {
  readonly home: string
  readonly pid: number
  readonly client: ReturnType<typeof connectTo>
  /** The checks of doctor that are red. */
  red(): Promise<readonly Check[]>
}

/** A server with fakes around it, as a process of its own: faults of its files are planted from outside. */
async function aServer(range: number, settings: object = {}, folder?: string): Promise<Server> {
  const home = folder ?? (await aFolder())
  const port = await freePort()
  const fakes = { runtime: { driver: 'fake' }, edge: { driver: 'fake', config: { httpPort: await freePort() } }, builder: { driver: 'fake' } }
  const places = { dataDirectory: join(home, 'data'), secretsDirectory: join(home, 'secrets'), listen: { port }, instanceRange: `127.${range}.0.0/16` }
  await writeFile(join(home, 'settings.json'), JSON.stringify({ ...places, ...fakes, ...settings }))
  return started(home, port)
}

async function started(home: string, port: number): Promise<Server> {
  const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const child = launch(process.execPath, [...SERVER_FLAGS, program], { env: { LOCKGATE_SETTINGS: join(home, 'settings.json'), HOME: home } })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const url = `http://127.0.0.1:${port}`
  await until('the server answers', () =>
    fetch(`${url}/v1/health`).then(
      (answer) => answer.ok,
      () => false,
    ),
  )
  const code = (await readFile(join(home, 'data', 'sign-in-code'), 'utf8')).trim()
  const { secret } = await connectTo({ url, token: null }).call(endpoints.signIn, { body: { code } })
  const client = connectTo({ url, token: secret })
  return { home, pid: child.pid ?? 0, client, red: async () => (await client.call(endpoints.doctor, {})).filter((check) => !check.ok) }
}

async function deploy({ client }: Server, app: string, image: string): Promise<void> {
  await client.call(endpoints.createApp, { body: { name: app as never } })
  await client.call(endpoints.openDeployment, { params: { app, environment: 'production' } as never, body: { verb: 'deploy', image } })
  await until(
    `${app} is live`,
    async () => (await client.call(endpoints.readEnvironment, { params: { app, environment: 'production' } as never })).release !== null,
  )
}

function database({ home }: Server): DatabaseSync {
  return new DatabaseSync(join(home, 'data', 'lockgate.db'))
}

/** An index whose root page a bad disk has overwritten. */
async function damageIndex(server: Server): Promise<void> {
  const opened = database(server)
  opened.exec('pragma wal_checkpoint(full)')
  const root = Number(opened.prepare("select rootpage from sqlite_schema where type = 'index' and tbl_name = 'project'").get()?.['rootpage'])
  opened.close()
  const file = await open(join(server.home, 'data', 'lockgate.db'), 'r+')
  await file.write(Buffer.alloc(2_000, 0x5a), 0, 2_000, (root - 1) * 4_096)
  await file.close()
}

const FAULTS: readonly [string, (server: Server) => Promise<void>, { readonly area: string; readonly name: string; readonly sentence: RegExp }][] = [
  [
    'an app stops answering',
    (server) => deploy(server, 'bad', 'fake:good+after-2s'),
    { area: 'apps', name: 'bad/production', sentence: /0 of 1 instances are ready.*→ 500/ },
  ],
  [
    'an app crashes again and again',
    (server) => deploy(server, 'bad', 'fake:exits-3+after-2s'),
    { area: 'apps', name: 'bad/production', sentence: /crashes again and again/ },
  ],
  [
    'a watched release is worse',
    (server) => deploy(server, 'bad', 'fake:good+after-2s'),
    { area: 'apps', name: 'bad/production', sentence: /The watched release is worse since 20/ },
  ],
  [
    'there is no supervisor',
    async ({ home, pid }) => {
      await mkdir(join(home, 'run'))
      writePid(join(home, 'run', 'server.pid'), pid)
      await writeFile(join(home, 'processes.json'), '[]')
    },
    { area: 'machine', name: 'supervisor', sentence: /no supervisor runs/ },
  ],
  ['an index of the database is damaged', damageIndex, { area: 'data', name: 'database', sentence: /is damaged: .*hourly-\d+\.db/ }],
  [
    'an event was changed',
    async (server) => {
      const opened = database(server)
      opened.exec("update event set data = '{}' where kind = 'app.created'")
      opened.close()
    },
    { area: 'invariant', name: 'I7', sentence: /was changed/ },
  ],
]

test.each(FAULTS.map((fault, at) => [fault[0], 100 + at, fault] as const))(
  'doctor is fine, and red when %s',
  { timeout: 60_000 },
  async (_what, range, [, plant, red]) => {
    const server = await aServer(range)
    await deploy(server, 'shop', 'fake:good')
    await until('doctor is fine', async () => (await server.red()).length === 0)

    await plant(server)

    const isIt = (check: Check): boolean => check.area === red.area && check.name === red.name && red.sentence.test(check.sentence)
    await until('doctor is red', async () => (await server.red()).some(isIt), 40_000)
  },
)

const FROM_THE_START: readonly [string, object, { readonly area: string; readonly sentence: RegExp }][] = [
  ['the engine does not answer', { runtime: { driver: 'fake', config: { unreachable: true } } }, { area: 'invariant', sentence: /the engine does not answer/ }],
  [
    'maxima are those of no project',
    { projectMaxima: { defualt: { instances: 2 } } },
    { area: 'settings', sentence: /projectMaxima names defualt, which is no project/ },
  ],
  ['no HAProxy runs', { edge: { driver: 'haproxy', config: { httpPort: 1 } } }, { area: 'edge', sentence: /HAProxy does not answer/ }],
]

test.each(FROM_THE_START)('doctor is red when %s from the start', async (_what, settings, red) => {
  const server = await aServer(110, settings)

  await until('doctor is red', async () => (await server.red()).some((check) => check.area === red.area && red.sentence.test(check.sentence)))
})

test('doctor is red when the hourly copy of the database cannot be made', async () => {
  const home = await aFolder()
  await mkdir(join(home, 'data'))
  await writeFile(join(home, 'data', 'backups'), 'a file where the folder of copies should be')

  const server = await aServer(111, {}, home)

  await until('doctor is red', async () =>
    (await server.red()).some(({ name, sentence }) => name === 'copies' && /The hourly copy failed: .*backups/.test(sentence)),
  )
})
