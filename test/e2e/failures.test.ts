import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { run } from '../../src/lib/run.ts'
import { formatReport, startDisruption } from '../support/disruption/index.ts'
import { ask } from '../support/edge.ts'
import { type EngineProxy, startEngineProxy } from '../support/engine-proxy.ts'
import { type TestImage, testImage } from '../support/images.ts'
import { anInstallation, type Installation, words } from '../support/installation.ts'
import { until } from '../support/until.ts'

let folder: string
let engine: EngineProxy
let lockgate: Installation
let good: string
let better: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockgate-proxy-'))
  engine = await startEngineProxy(join(folder, 'docker.sock'))
  lockgate = await anInstallation({ range: '10.214.0.0/16', settings: { runtime: { driver: 'docker', config: { socket: engine.socket, timeoutMs: 3_000 } } } })
  good = await testImage(lockgate.boxes, 'all', 'good')
  better = await testImage(lockgate.boxes, 'all', 'better')
})
afterAll(async () => {
  await lockgate?.stop()
  await engine?.close()
  await rm(folder, { recursive: true, force: true })
})

const image = (name: TestImage) => testImage(lockgate.boxes, name)
const port = () => lockgate.edge.config.httpPort
const here = (app: string) => ({ params: { app, environment: 'production' } as never })

/** An app with the good release live. */
async function anApp(name: string, manifest = ''): Promise<string> {
  const host = await lockgate.create(name)
  const live = await lockgate.deploy(name, { verb: 'deploy', image: good, manifest })
  expect(live.deployment.status).toBe('succeeded')
  return host
}

describe('a release that does not start fails with what was seen, and the old one serves all the time', () => {
  const QUICK = 'health:\n  start_deadline: 2s\n'
  test.for<readonly [name: string, image: TestImage, manifest: string, cause: string, message: RegExp, report: object]>([
    ['exits', 'exits', QUICK, 'instance_exited', /ended with exit code 3 before it was ready/, { exitCode: 3, oomKilled: false, logLines: ['cannot start'] }],
    [
      'elsewhere',
      'elsewhere',
      QUICK,
      'start_deadline',
      /was not ready within 2 s: connection refused on port 8080/,
      { hint: expect.stringMatching(/^it listens on port 9999, and was asked on 8080; say "port: 9999"/), lastProbe: 'connection refused on port 8080' },
    ],
    [
      'loopback',
      'loopback',
      QUICK,
      'start_deadline',
      /connection refused on port 8080/,
      { hint: expect.stringMatching(/^it listens on 127\.0\.0\.1:8080 only/) },
    ],
    [
      'unhealthy',
      'unhealthy',
      QUICK,
      'start_deadline',
      /GET \/ → 503/,
      { lastProbe: expect.stringMatching(/^GET \/ → 503 \(Host: /), hint: null, exitCode: null },
    ],
    [
      'late',
      'all',
      `${QUICK}processes:\n  web:\n    command: [node, -e, "console.log('not yet'); setTimeout(() => require('/app/server.js'), 60000)"]\n`,
      'start_deadline',
      /was not ready within 2 s: .*An app that needs longer says so with health\.start_deadline/,
      { hint: expect.stringMatching(/it listens on no port at all/), logLines: ['not yet'] },
    ],
    [
      'greedy',
      'greedy',
      'limits:\n  memory: 64MB\nhealth:\n  start_deadline: 20s\n',
      'out_of_memory',
      /used more memory than its limit/,
      { oomKilled: true, exitCode: 137 },
    ],
  ])('%s', async ([name, program, manifest, cause, message, report]) => {
    const host = await anApp(`start-${name}`)
    const clients = await startDisruption({ port: port(), host, rate: 40, kinds: ['new', 'kept'] })

    const { deployment, steps } = await lockgate.deploy(`start-${name}`, { verb: 'deploy', image: await image(program), manifest })
    const counted = await clients.stop()

    expect(deployment).toMatchObject({ status: 'failed', cause, message: expect.stringMatching(message) })
    expect(deployment.report).toMatchObject(report)
    expect(steps.find((step) => step.kind === 'start')?.status).toBe('failed')
    expect(counted.failed, formatReport(counted)).toBe(0)
    expect((await ask(port(), host)).headers['x-version']).toBe('good')
    const status = await lockgate.status(`start-${name}`)
    expect(status).toMatchObject({ state: 'running', ready: 1, release: 'r1' })
    expect(await lockgate.runtime.observe(status.id)).toHaveLength(1)
  })

  test('one that needs its time, but has it, goes live', async () => {
    const host = await anApp('start-in-time')
    const manifest = 'processes:\n  web:\n    command: [node, -e, "setTimeout(() => require(\'/app/server.js\'), 3000)"]\nhealth:\n  start_deadline: 20s\n'

    const { deployment, steps } = await lockgate.deploy('start-in-time', { verb: 'deploy', image: better, manifest })

    expect(deployment.status).toBe('succeeded')
    expect(steps.find((step) => step.kind === 'start')?.seconds).toBeGreaterThan(2.5)
    expect((await ask(port(), host)).headers['x-version']).toBe('better')
  })

  test('an image that is not there, or a machine that is too small, is said before anything moves', async () => {
    await anApp('start-checked')

    await expect(lockgate.deploy('start-checked', { verb: 'deploy', image: 'lockgate-test/no-such-image:1' })).rejects.toMatchObject({
      problem: { code: expect.stringMatching(/^image\./) },
    })
    const { deployment, steps } = await lockgate.deploy('start-checked', { verb: 'deploy', image: better, manifest: 'limits:\n  memory: 900000MB\n' })

    expect(deployment).toMatchObject({ status: 'failed', cause: 'check_failed', message: expect.stringMatching(/Lower limits\.memory or the count/) })
    expect(steps.map((step) => step.kind)).toEqual(['check'])
  })

  test('an instance that ignores its stop signal is killed after its grace, and that is recorded', async () => {
    await lockgate.create('stubborn')
    await lockgate.deploy('stubborn', { verb: 'deploy', image: await image('stubborn'), manifest: 'stop:\n  grace: 1s\n' })

    const { deployment, steps } = await lockgate.deploy('stubborn', { verb: 'deploy', image: good })

    expect(deployment.status).toBe('succeeded')
    const stop = steps.find((step) => step.kind === 'stop')
    expect(stop).toMatchObject({ status: 'done', numbers: { exitCode: 137 } })
    expect(stop?.seconds).toBeGreaterThanOrEqual(1)
  })
})

describe('the release command', () => {
  const commanded = (script: string): string => `release_command: [node, -e, "${script}"]\n`

  test('runs once, before traffic moves', async () => {
    const host = await anApp('migrates')

    const live = await lockgate.deploy('migrates', { verb: 'deploy', image: better, manifest: commanded('console.log(`migrating`)') })

    expect(live.deployment.status).toBe('succeeded')
    expect(words(live)).toEqual(['check', 'release-command', 'update', 'start', 'resume-traffic', 'switch', 'stop-traffic', 'stop', 'remove'])
    const events = await lockgate.call(endpoints.listEvents, { query: { app: 'migrates', limit: 1000 } })
    expect(events.filter((event) => event.kind === 'one_off.running')).toHaveLength(1)
    expect((await ask(port(), host)).headers['x-version']).toBe('better')
  })

  test('that fails ends the deployment before anything moved, and says that it may have changed data', async () => {
    const host = await anApp('migrates-wrong')

    const live = await lockgate.deploy('migrates-wrong', { verb: 'deploy', image: better, manifest: commanded('console.log(`half done`); process.exit(4)') })

    expect(live.deployment).toMatchObject({ status: 'failed', cause: 'release_command_failed' })
    expect(live.deployment.message).toMatch(/failed: exit code 4\. It may have changed data; its output: lockgate logs --one-off o-\w+/)
    expect(words(live)).toEqual(['check', 'release-command'])
    expect((await ask(port(), host)).headers['x-version']).toBe('good')
    const id = /o-\w+/.exec(live.deployment.message)?.[0] ?? ''
    const output = await fetch(`${lockgate.apiUrl}/v1/one-offs/${id}/log/stream`, { headers: { authorization: `Bearer ${lockgate.token}` } })
    expect(await output.text()).toContain('half done')
  })
})

interface OpenRequest {
  /** Sends the rest, and gives the answer; null when the connection was cut. */
  finish(): Promise<string | null>
}

/** An upload that is under way, as far as the app, until it is finished here. */
async function openUpload(host: string): Promise<OpenRequest> {
  const asking = request({
    host: '127.0.0.1',
    port: port(),
    path: '/upload',
    method: 'POST',
    agent: false,
    headers: { host, 'content-length': 2_000, expect: '100-continue' },
  })
  const answer = new Promise<string | null>((resolve) => {
    asking.on('error', () => resolve(null))
    asking.on('response', (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      response.on('end', () => resolve(body))
      response.on('error', () => resolve(null))
    })
  })
  // The app's own server says "continue": from then on it has the request.
  await new Promise<void>((resolve) => asking.on('continue', resolve))
  asking.write(Buffer.alloc(1_000, 'a'))
  return {
    finish: () => {
      asking.end(Buffer.alloc(1_000, 'b'))
      return answer
    },
  }
}

/** Resolves when a deployment waits for requests in flight, and gives how many. */
async function draining(id: string): Promise<number> {
  let inFlight = 0
  await until(
    'it waits for requests',
    async () => {
      const { steps } = await lockgate.call(endpoints.readDeployment, { params: { id } })
      inFlight = steps.find((step) => step.kind === 'stop-traffic' && step.status === 'intended')?.numbers.inFlight ?? 0
      return inFlight > 0
    },
    30_000,
  )
  return inFlight
}

describe('requests in flight when their instance is to stop', () => {
  const begin = async (app: string): Promise<string> => {
    const { deployment } = await lockgate.call(endpoints.openDeployment, { ...here(app), body: { verb: 'deploy', image: better } })
    return deployment?.id ?? ''
  }

  test('finish, and the instance stays until then', async () => {
    const host = await anApp('drains')
    const upload = await openUpload(host)
    const id = await begin('drains')

    expect(await draining(id)).toBe(1)
    const status = await lockgate.status('drains')
    expect(status.instances.map((one) => one.state)).toEqual(['draining', 'ready'])
    expect(status.blocked).toMatch(/1 request in flight \(\d+ s of 30 s\)/)
    expect((await ask(port(), host)).headers['x-version']).toBe('better')
    expect(await upload.finish()).toBe('2000')
    const live = await lockgate.ended(id)

    expect(live.deployment.status).toBe('succeeded')
    const drained = live.steps.find((step) => step.kind === 'stop-traffic')
    expect(drained).toMatchObject({ status: 'done', numbers: { inFlightAtStart: 1, inFlight: 0 } })
    expect(drained?.numbers.cut).toBeUndefined()
  })

  test('are cut at the deadline, and counted', async () => {
    const host = await anApp('cuts', 'drain:\n  deadline: 1s\n')
    const uploads = await Promise.all([openUpload(host), openUpload(host)])

    const live = await lockgate.deploy('cuts', { verb: 'deploy', image: better })

    expect(live.deployment.status).toBe('succeeded')
    expect(await Promise.all(uploads.map((upload) => upload.finish()))).toEqual([null, null])
    expect(live.steps.find((step) => step.kind === 'stop-traffic')?.numbers).toMatchObject({ inFlightAtStart: 2, cut: 2, inFlight: 0 })
  })

  test('end the deployment at the deadline where the app says abort, and everything is put back', async () => {
    const host = await anApp('aborts', 'drain:\n  deadline: 1s\n  at_deadline: abort\n')
    const upload = await openUpload(host)
    const clients = await startDisruption({ port: port(), host, rate: 40, kinds: ['new', 'kept'] })

    const live = await lockgate.deploy('aborts', { verb: 'deploy', image: better })
    const counted = await clients.stop()

    expect(live.deployment).toMatchObject({
      status: 'failed',
      cause: 'drain_deadline',
      message: expect.stringMatching(/1 requests? to .* still in flight after 1 s/),
    })
    expect(counted.failed, formatReport(counted)).toBe(0)
    expect(await upload.finish()).toBe('2000')
    expect((await ask(port(), host)).headers['x-version']).toBe('good')
    expect(await lockgate.status('aborts')).toMatchObject({ state: 'running', release: 'r1', ready: 1 })
  })
})

describe('after a deployment the wish is kept', () => {
  test('an instance that crashes comes back, and status is true within 2 s', async () => {
    const host = await anApp('crashes')

    await ask(port(), host, { path: '/exit?code=5' })

    await until('its crash is counted', async () => ((await lockgate.status('crashes')).instances[0]?.restarts ?? 0) === 1, 2_000)
    await until('it is back', async () => (await lockgate.status('crashes')).state === 'running')
    await until('it answers', async () => (await ask(port(), host)).headers['x-version'] === 'good', 2_000)
  })

  test('a crash loop is named, visitors are told, and the next release ends it', async () => {
    // In its observation window it would be taken back.
    const host = await anApp('loops', 'watch:\n  rollback: false\n')
    const set = await lockgate.call(endpoints.changeConfig, { ...here('loops'), body: { set: { LIVES_MS: '3000' } } })
    expect((await lockgate.ended(set.deployment?.id ?? '')).deployment.status).toBe('succeeded')

    await until('it is named', async () => (await lockgate.status('loops')).state === 'crash looping', 60_000)
    const instance = (await lockgate.status('loops')).instances[0]
    expect(instance?.restarts).toBeGreaterThanOrEqual(3)
    await until('it answers for a moment', async () => (await lockgate.status('loops')).ready === 1, 60_000)
    expect((await lockgate.status('loops')).state).toBe('crash looping')
    await until('visitors are told', async () => (await ask(port(), host)).body.includes('crash looping'), 60_000)
    expect((await ask(port(), host)).headers['retry-after']).toBeDefined()

    const unset = await lockgate.call(endpoints.changeConfig, { ...here('loops'), body: { unset: ['LIVES_MS'] } })
    expect((await lockgate.ended(unset.deployment?.id ?? '')).deployment.status).toBe('succeeded')
    expect(await lockgate.status('loops')).toMatchObject({ state: 'running', ready: 1 })
    expect((await ask(port(), host)).status).toBe(200)
  })
})

describe('what stands around the server fails', () => {
  test('an engine that hangs holds a deployment, which says so and goes on afterwards', async () => {
    const host = await anApp('waits')
    const clients = await startDisruption({ port: port(), host, rate: 40, kinds: ['new', 'kept'] })
    engine.hang()
    const { deployment } = await lockgate.call(endpoints.openDeployment, { ...here('waits'), body: { verb: 'restart' } })
    const id = deployment?.id ?? ''

    try {
      await until('it says why it waits', async () => /The Docker engine .* did not answer/.test((await lockgate.status('waits')).blocked ?? ''), 20_000)
      const checks = await lockgate.call(endpoints.doctor, {})
      expect(checks.filter((check) => check.area === 'engine').map((check) => check.ok)).toEqual([false])
    } finally {
      engine.resume()
    }
    const live = await lockgate.ended(id)
    const counted = await clients.stop()

    expect(live.deployment.status).toBe('succeeded')
    expect(counted.failed, formatReport(counted)).toBe(0)
    expect(await lockgate.status('waits')).toMatchObject({ state: 'running', blocked: null })
  })

  test('an edge that is killed serves the same again, and the next deployment drops nothing', async () => {
    const host = await anApp('edge-killed')
    const other = await anApp('edge-killed-too')
    await lockgate.deploy('edge-killed', { verb: 'deploy', image: better })

    await lockgate.edge.crash()

    for (const [name, version] of [
      [host, 'better'],
      [other, 'good'],
    ] as const)
      await until(`${name} answers`, async () => (await ask(port(), name).catch(() => null))?.headers['x-version'] === version, 10_000)
    await until('the edge has confirmed', async () => (await lockgate.call(endpoints.doctor, {})).every((check) => check.area !== 'invariant' || check.ok))
    const clients = await startDisruption({ port: port(), host, rate: 100, kinds: ['new', 'kept'] })
    const live = await lockgate.deploy('edge-killed', { verb: 'deploy', image: good })
    const counted = await clients.stop()
    expect(live.deployment.status).toBe('succeeded')
    expect(counted.failed, formatReport(counted)).toBe(0)
  })

  test('an edge that is killed in the middle of a deployment holds it up, and no more', async () => {
    const host = await anApp('edge-killed-while')
    const opened = lockgate.deploy('edge-killed-while', { verb: 'deploy', image: better })
    await until('it has begun', async () => (await lockgate.status('edge-killed-while')).deploymentId !== null)

    await lockgate.edge.crash()

    expect((await opened).deployment.status).toBe('succeeded')
    await until('the new one answers', async () => (await ask(port(), host).catch(() => null))?.headers['x-version'] === 'better')
  })

  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const again = () =>
    run(process.execPath, [main], { env: { LOCKGATE_SETTINGS: join(lockgate.directory, 'settings.json'), HOME: '/root' }, anyStatus: true, timeoutMs: 20_000 })

  test('a second server on the data directory is refused', async () => {
    const { status, stderr } = await again()

    expect(status).toBe(78)
    expect(stderr).toMatch(/Another Lockgate server uses .*data\. Stop it first/)
    expect(await lockgate.call(endpoints.health, {})).toMatchObject({ status: 'ok' })
  })

  test('a database of a newer Lockgate, or settings that are wrong, are refused and left as they are', async () => {
    await lockgate.stopServer()
    const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'))
    const current = Number(database.prepare('pragma user_version').get()?.['user_version'])
    database.exec('pragma user_version = 9999')

    const { status, stderr } = await again()

    expect(status).toBe(78)
    expect(stderr).toMatch(/The database has schema 9999, this Lockgate knows up to \d+\. Start the newer Lockgate that wrote it/)
    expect(Number(database.prepare('pragma user_version').get()?.['user_version'])).toBe(9999)
    database.exec(`pragma user_version = ${current}`)
    database.close()
    await lockgate.start()
    expect((await lockgate.status('waits')).state).not.toBe('not deployed')
  })
})

test('a full disk for the data directory refuses changes and loses nothing', async () => {
  const full = await anInstallation({
    range: '10.220.0.0/16',
    prepare: async (directory) => {
      const data = join(directory, 'data')
      await run('mkdir', ['--mode=700', data])
      await run('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', data])
      return async () => void (await run('umount', ['--lazy', data]))
    },
  })
  try {
    const host = await full.create('kept')
    expect((await full.deploy('kept', { verb: 'deploy', image: good })).deployment).toMatchObject({ status: 'succeeded', message: '' })
    const clients = await startDisruption({ port: full.edge.config.httpPort, host, rate: 40, kinds: ['new', 'kept'] })
    const ballast = join(full.directory, 'data', 'ballast')
    await run('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096'], { anyStatus: true })

    let refused: unknown
    await until(
      'a change is refused',
      () =>
        full.create(`more-${Math.floor(performance.now())}`).then(
          () => false,
          (error: unknown) => {
            refused = error
            return true
          },
        ),
      20_000,
    )
    expect(refused).toMatchObject({ problem: { status: 503, code: 'store.disk_full', detail: expect.stringMatching(/nothing was changed\. Free space/) } })
    expect(await full.status('kept')).toMatchObject({ state: 'running' })
    expect(full.hasEnded()).toBe(false)

    await rm(ballast)
    await until('changes are taken again', () => full.create('after').then(Boolean, () => false), 20_000)
    const live = await full.deploy('kept', { verb: 'deploy', image: better })
    const counted = await clients.stop()

    expect(live.deployment.status).toBe('succeeded')
    expect(counted.failed, formatReport(counted)).toBe(0)
    expect((await full.call(endpoints.doctor, {})).filter((check) => check.area === 'invariant' && !check.ok)).toEqual([])
  } finally {
    await full.stop()
  }
})
