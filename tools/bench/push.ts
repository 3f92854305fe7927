// The platform's own time from an accepted push to the first answer of the new release: what is left when the same build,
// container start and first answer, measured raw, are taken away.
import { readFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { Bases } from '../../src/drivers/builder/bases/index.ts'
import { pause } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { launch } from '../../src/lib/run.ts'
import { tarStream } from '../../src/lib/tar.ts'
import { ask } from '../../test/support/edge.ts'
import { anInstallation, type Installation } from '../../test/support/installation.ts'
import { aPerson, type Person } from '../../test/support/person.ts'
import { type Figure, median, ms } from './figure.ts'

const ROUNDS = 5

export async function push(): Promise<Figure[]> {
  const lockgate = await anInstallation({ range: '10.221.0.0/16', built: true })
  const ada = await aPerson(lockgate.apiUrl, lockgate.token)
  try {
    const folder = await ada.repository('hello', { example: 'node-hello' })
    await ada.lockgate(['create', 'hello'], { cwd: folder })
    // The first push also fills caches that every later one has.
    await ada.git(folder, 'push', 'lockgate', 'main')
    const own: number[] = []
    const totals: number[] = []
    const raws: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      const total = await pushed(lockgate, ada, { folder, round })
      const raw = await rawly(lockgate, folder)
      totals.push(total)
      raws.push(raw)
      own.push(total - raw)
    }
    return [
      {
        what: "platform's own time from accepted push to first answer",
        measured: `${ms(median(own))} (median of ${ROUNDS}; ${own.map(ms).join(', ')})`,
        beside: `push to answer ${ms(median(totals))}; the same build, start and first answer raw ${ms(median(raws))}`,
        reach: '≤ 1.5 s',
        reached: median(own) <= 1_500,
      },
    ]
  } finally {
    await ada.leave()
    await lockgate.stop()
  }
}

/** From the moment the server has the commit (its event) to the first answer of the new release. */
async function pushed(lockgate: Installation, ada: Person, how: { readonly folder: string; readonly round: number }): Promise<number> {
  const { folder, round } = how
  await ada.commit(folder, { 'version.txt': `${round}\n` })
  const before = await releaseSeen(lockgate)
  const pushing = ada.git(folder, 'push', 'lockgate', 'main')
  const count = async (): Promise<number> =>
    (await lockgate.call(endpoints.listBuilds, { params: { app: 'hello', environment: 'production' } as never })).length
  const builds = await count()
  while ((await count()) === builds) await pause(5)
  const accepted = performance.now()
  while ((await releaseSeen(lockgate)) === before) await pause(5)
  const answered = performance.now()
  await pushing
  return answered - accepted
}

/** node-hello writes its release on its page. */
async function releaseSeen(lockgate: Installation): Promise<string> {
  const { body } = await ask(lockgate.edge.config.httpPort, 'hello.localhost')
  return /r\d+/.exec(body)?.[0] ?? 'none'
}

/** The same commands in a plain box, an image of what they left, a container of it, its first answer: nothing of ours around it. */
async function rawly(lockgate: Installation, folder: string): Promise<number> {
  const { boxes, runtime } = lockgate
  const bases = new Bases({ boxes, registry: null, log: silentLog })
  const [builder, runner] = [await bases.image({ base: 'node-build', version: null }), await bases.image({ base: 'node', version: null })]
  const name = `lockgate-bench-raw-${process.pid}`
  const limits = { cpus: 1, memoryMb: 1024, processes: 512 }
  const ca = '/etc/ssl/certs/ca-certificates.crt'
  // The app's own npm cache, filled by the pushes: both sides find the same.
  const cache = `lockgate-${lockgate.name}-cache-t-${(await lockgate.call(endpoints.readApp, { params: { app: 'hello' } as never })).id}`
  const began = performance.now()
  await boxes.create({
    name,
    owner: name,
    image: builder,
    command: ['sh', '-c', 'npm ci && npm prune --omit=dev'],
    user: '700000:700000',
    workdir: '/app',
    env: { NODE_EXTRA_CA_CERTS: ca, HOME: '/tmp', npm_config_cache: '/cache' },
    limits,
    network: 'open',
    volumes: {
      '/app': { name: `${name}-work`, sizeMb: 4096, keep: false },
      '/cache': { name: cache, sizeMb: 8192, keep: true },
    },
  })
  await boxes.put(name, '/app', archiveOf(folder))
  // Builds trust what the host trusts, ours and this one.
  const bundle = await readFile(ca)
  await boxes.put(
    name,
    '/',
    tarStream(async (tar) => void tar.entry({ name: ca.slice(1), mode: 0o644 }, bundle)),
  )
  const said: string[] = []
  const end = await boxes.run(name, { line: (text) => void said.push(text), signal: AbortSignal.timeout(120_000) })
  if (end.status !== 0) throw new Error(`the raw build ended with ${end.status}: ${said.join('\n')}`)
  const made = await boxes.get(name, '/app')
  await boxes.create({ name: `${name}-image`, owner: name, image: runner, command: ['node', 'server.js'], limits, network: 'none' })
  await boxes.put(`${name}-image`, '/', made)
  const digest = await boxes.commit(`${name}-image`, { tag: `lockgate-bench/raw:${process.pid}`, command: ['node', 'server.js'], workdir: '/app' })
  const subnet = { environmentId: 'e-bench', projectId: 'p-bench', cidr: '10.221.255.0/26', gateway: '10.221.255.1' }
  const instance = `${name}-instance`
  await runtime.ensure({
    name: instance,
    kind: 'instance',
    projectId: 'p-bench',
    environmentId: 'e-bench',
    set: 1,
    ordinal: 0,
    key: 'bench',
    digest,
    reference: null,
    command: null,
    env: { PORT: '8080' },
    address: '10.221.255.3',
    subnet,
    limits,
    stopSignal: 'SIGKILL',
    stopGraceMs: 0,
    keepAlive: false,
  })
  await runtime.start(instance)
  while (!(await answers('http://10.221.255.3:8080/'))) await pause(5)
  const took = performance.now() - began
  await runtime.remove(instance)
  await runtime.removeNetwork('e-bench')
  await boxes.removeAll(name)
  return took
}

/** Piped at once: what nobody reads is thrown away when the program ends. */
function archiveOf(folder: string): PassThrough {
  const archive = new PassThrough()
  launch('tar', ['--owner=700000', '--group=700000', '--exclude=.git', '-cf', '-', '-C', folder, '.']).stdout?.pipe(archive)
  return archive
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (answer) => answer.ok,
    () => false,
  )
}
