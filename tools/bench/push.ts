// The platform's own time from an accepted push to the first answer of the new release: what is left when the same build,
// container start and first answer, measured raw, are taken away.
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { pause } from '../../src/lib/clock.ts'
import { ask } from '../../test/support/edge.ts'
import { anInstallation, type Installation } from '../../test/support/installation.ts'
import { aPerson, type Person } from '../../test/support/person.ts'
import { type Figure, median, ms } from './figure.ts'
import { RAW_LIMITS, rawBuild } from './raw.ts'

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

/** The same commands, an image of what they left, a container of it, its first answer: nothing of ours around it. */
async function rawly(lockgate: Installation, folder: string): Promise<number> {
  const { runtime } = lockgate
  // The app's own npm cache, filled by the pushes: both sides find the same.
  const cache = `lockgate-${lockgate.name}-cache-t-${(await lockgate.call(endpoints.readApp, { params: { app: 'hello' } as never })).id}`
  const { digest, ms: built } = await rawBuild(lockgate, { folder, command: 'npm ci && npm prune --omit=dev', cache })
  const began = performance.now()
  const subnet = { environmentId: 'e-bench', projectId: 'p-bench', cidr: '10.221.255.0/26', gateway: '10.221.255.1' }
  const instance = `lockgate-bench-raw-${process.pid}-instance`
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
    limits: RAW_LIMITS,
    stopSignal: 'SIGKILL',
    stopGraceMs: 0,
    keepAlive: false,
  })
  await runtime.start(instance)
  while (!(await answers('http://10.221.255.3:8080/'))) await pause(5)
  const took = built + performance.now() - began
  await runtime.remove(instance)
  await runtime.removeNetwork('e-bench')
  return took
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (answer) => answer.ok,
    () => false,
  )
}
