import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { formatReport, startDisruption } from '../support/disruption/index.ts'
import { KINDS } from '../support/disruption/types.ts'
import { ask, echo } from '../support/edge.ts'
import { holdingsOf } from '../support/engine.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation, type Live, words } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person
const images: string[] = []

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.216.0.0/16' })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  for (const version of ['one', 'two', 'three']) images.push(await testImage(lockgate.boxes, 'all', version))
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

const port = () => lockgate.edge.config.httpPort
const here = (app: string, environment = 'production') => ({ params: { app, environment } as never })
const version = async (host: string) => (await ask(port(), host)).headers['x-version']
const deploy = (app: string, at: number, manifest?: string) =>
  lockgate.deploy(app, { verb: 'deploy', image: images[at] ?? '', ...(manifest === undefined ? {} : { manifest }) })
const open = async (app: string, body: Parameters<Installation['deploy']>[1]) => {
  const answer = await lockgate.call(endpoints.openDeployment, { ...here(app), body })
  return answer.deployment?.id ?? ''
}
const configure = async (app: string, body: { set?: Record<string, string>; secret?: string[]; unset?: string[] }): Promise<Live> => {
  const { deployment } = await lockgate.call(endpoints.changeConfig, { ...here(app), body })
  return lockgate.ended(deployment?.id ?? '')
}

async function anApp(name: string, at = 0, manifest?: string): Promise<string> {
  const host = await lockgate.create(name)
  expect((await deploy(name, at, manifest)).deployment).toMatchObject({ status: 'succeeded', message: '' })
  return host
}

/** A release that takes its time to become ready, so that a test can look at it on its way. */
const LATE = 'processes:\n  web:\n    command: [node, -e, "setTimeout(() => require(\'/app/server.js\'), 60000)"]\n'

describe('rollback', () => {
  test('brings image and configuration back together, pins what it leaves, and says what it undoes', async () => {
    const host = await anApp('back')
    await configure('back', { set: { GREETING: 'first' } })
    await deploy('back', 1)
    await configure('back', { set: { GREETING: 'second', EXTRA: 'x' } })
    expect((await ask(port(), host)).body).toBe('version two, r4, second')

    const said = await well(ada.lockgate(['rollback', 'back', '--to', 'r2']))

    expect(said.stdout).toContain('configuration goes back with it: EXTRA, GREETING')
    expect((await ask(port(), host)).body).toBe('version one, r2, first')
    const config = await lockgate.call(endpoints.readConfig, here('back'))
    expect(config).toMatchObject({ revision: 4, entries: [{ key: 'GREETING', value: 'first' }] })
    expect((await lockgate.status('back')).pinned).toEqual(['r4'])
    expect((await lockgate.call(endpoints.listReleases, here('back'))).map((one) => [one.name, one.current, one.pinned])).toEqual([
      ['r4', false, true],
      ['r3', false, false],
      ['r2', true, false],
      ['r1', false, false],
    ])
    expect((await ada.lockgate(['status', 'back'])).stdout).toMatch(/pinned +r4 \(left behind by a rollback\)/)
  })

  test('without --to goes to the last good release, not to one that failed', async () => {
    const host = await anApp('back-good')
    await deploy('back-good', 1)
    await deploy('back-good', 2, `${LATE}health:\n  start_deadline: 500ms\n`)

    const live = await lockgate.deploy('back-good', { verb: 'rollback' })

    expect(live.deployment).toMatchObject({ status: 'succeeded', release: 'r1' })
    expect(await version(host)).toBe('one')
    await expect(lockgate.deploy('back-good', { verb: 'rollback' })).rejects.toMatchObject({ problem: { status: 409, code: 'deployment.no_rollback_target' } })
    await expect(lockgate.deploy('back-good', { verb: 'rollback', to: 99 })).rejects.toMatchObject({ problem: { status: 404, code: 'release.not_found' } })
  })
})

describe('the other verbs', () => {
  test('restart, stop, start and scale do what --plan says, and no request is lost where something runs', async () => {
    const host = await anApp('verbs')
    const bodies = [
      { verb: 'scale', count: 3 },
      { verb: 'restart' },
      { verb: 'scale', count: 1 },
      { verb: 'restart' },
      { verb: 'deploy', image: images[1] ?? '' },
    ] as const
    for (const body of bodies) {
      const { plan } = await lockgate.call(endpoints.openDeployment, { ...here('verbs'), body: { ...body, plan: true } })
      const before = await lockgate.call(endpoints.listDeployments, here('verbs'))
      const clients = await startDisruption({ port: port(), host, rate: 50, kinds: ['new', 'kept'] })
      const live = await lockgate.deploy('verbs', body)
      const report = await clients.stop()

      expect(live.deployment.status).toBe('succeeded')
      expect(report.failed, `${body.verb}: ${formatReport(report)}`).toBe(0)
      expect(live.deployment.number).toBe((before[0]?.number ?? 0) + 1)
      const planned = (plan ?? []).map((step) => `${step.kind} ${step.instance ?? ''}`)
      expect(live.steps.map((step) => `${step.kind} ${step.instance ?? ''}`).sort(), body.verb).toEqual(planned.sort())
    }
    expect(await lockgate.status('verbs')).toMatchObject({ count: 1, ready: 1, release: 'r2' })
  })

  test('a stopped app says so to its visitors, also while the server is down, stays stopped, and starts again', async () => {
    const host = await anApp('rests')
    const stopped = await lockgate.deploy('rests', { verb: 'stop' })

    expect(words(stopped)).toEqual(['stop-traffic', 'stop', 'remove'])
    expect(await lockgate.status('rests')).toMatchObject({ state: 'stopped', ready: 0, instances: [] })
    const page = await ask(port(), host)
    expect(page).toMatchObject({ status: 503, headers: { 'retry-after': '60' } })
    expect(page.body).toContain('It was stopped by its owners')
    await lockgate.stopServer()
    expect(await ask(port(), host)).toMatchObject({ status: 503, body: page.body })
    await lockgate.start()
    expect((await ask(port(), 'nobody.localhost')).status).toBe(404)
    await expect(lockgate.deploy('rests', { verb: 'restart' })).rejects.toMatchObject({ problem: { status: 409, code: 'environment.nothing_runs' } })

    await lockgate.call(endpoints.changeConfig, { ...here('rests'), body: { set: { GREETING: 'slept well' } } })
    expect(await lockgate.status('rests')).toMatchObject({ state: 'stopped' })
    const started = await lockgate.deploy('rests', { verb: 'start' })

    expect(started.deployment.status).toBe('succeeded')
    expect((await ask(port(), host)).body).toContain('slept well')
  })

  test('verbs where nothing was deployed, and counts out of range, are refused with what to do', async () => {
    await lockgate.create('empty')

    for (const verb of ['restart', 'stop', 'start'] as const)
      await expect(lockgate.deploy('empty', { verb })).rejects.toMatchObject({
        problem: { code: 'environment.nothing_runs', detail: expect.stringContaining('git push lockgate main') },
      })
    await expect(lockgate.deploy('empty', { verb: 'rollback' })).rejects.toMatchObject({ problem: { code: 'deployment.no_rollback_target' } })
    await expect(lockgate.deploy('empty', { verb: 'deploy' })).rejects.toMatchObject({
      problem: { code: 'ref.not_found', detail: expect.stringContaining('Nothing was pushed') },
    })
    await expect(lockgate.deploy('empty', { verb: 'scale', count: 49 })).rejects.toMatchObject({ problem: { code: 'deployment.count_out_of_range' } })
    await expect(lockgate.deploy('empty', { verb: 'scale', count: 0 })).rejects.toMatchObject({ problem: { status: 422 } })
  })
})

describe('one after another', () => {
  test('what is queued says for whom it waits; a newer deploy takes the place of a queued one', async () => {
    const host = await anApp('queue')
    const running = await open('queue', { verb: 'deploy', image: images[1] ?? '', manifest: `${LATE}health:\n  start_deadline: 60s\n` })
    await until('it has begun', async () => (await lockgate.status('queue')).deploymentId === running)
    await until('it starts', async () =>
      (await lockgate.call(endpoints.readDeployment, { params: { id: running } })).steps.some((step) => step.kind === 'start'),
    )

    const restart = await open('queue', { verb: 'restart' })
    const older = await open('queue', { verb: 'deploy', image: images[0] ?? '' })
    const newer = await open('queue', { verb: 'deploy', image: images[2] ?? '' })

    const read = async (id: string) => (await lockgate.call(endpoints.readDeployment, { params: { id } })).deployment
    expect(await read(restart)).toMatchObject({
      status: 'queued',
      blocked: expect.stringMatching(new RegExp(`^waits for ${running} \\(deploy, opened by admin\\); "lockgate cancel ${running}" ends that one$`)),
    })
    expect(await read(older)).toMatchObject({ status: 'superseded', cause: 'newer_deployment' })
    await until('it says what it waits for', async () => ((await read(running)).blocked ?? '').startsWith('waits for a good answer'))
    await well(ada.lockgate(['cancel', running]))
    expect((await lockgate.ended(running)).deployment).toMatchObject({ status: 'cancelled', cause: 'requested' })
    expect((await lockgate.ended(restart)).deployment.status).toBe('succeeded')
    expect((await lockgate.ended(newer)).deployment.status).toBe('succeeded')
    expect(await version(host)).toBe('three')
  })

  test('a newer deploy takes over from a running one between two batches, and no request is lost', async () => {
    const host = await lockgate.create('overtaken')
    await lockgate.deploy('overtaken', { verb: 'scale', count: 3 })
    await deploy('overtaken', 0)
    const clients = await startDisruption({ port: port(), host, rate: 50, kinds: ['new', 'kept'] })
    const first = await open('overtaken', { verb: 'deploy', image: images[1] ?? '' })
    await until('one of the new ones gets requests', async () =>
      (await lockgate.status('overtaken')).instances.some((one) => one.release === 'r2' && one.traffic === 'in'),
    )

    const second = await open('overtaken', { verb: 'deploy', image: images[2] ?? '' })
    const live = await lockgate.ended(second)
    const report = await clients.stop()

    expect((await lockgate.ended(first)).deployment).toMatchObject({ status: 'superseded', cause: 'newer_deployment', message: `${second} takes its place` })
    expect(live.deployment.status).toBe('succeeded')
    expect(report.failed, formatReport(report)).toBe(0)
    const status = await lockgate.status('overtaken')
    expect(status).toMatchObject({ state: 'running', release: 'r3', ready: 3 })
    expect(status.instances.map((one) => one.release)).toEqual(['r3', 'r3', 'r3'])
  })

  test('cancel ends a queued deployment at once, and a running one by going back without a lost request', async () => {
    const host = await anApp('cancelled')
    const running = await open('cancelled', { verb: 'deploy', image: images[1] ?? '', manifest: LATE })
    const queued = await open('cancelled', { verb: 'restart' })
    await until('it starts', async () => (await lockgate.status('cancelled')).instances.length === 2)
    const clients = await startDisruption({ port: port(), host, rate: 50, kinds: ['new', 'kept'] })

    const at = await lockgate.call(endpoints.cancelDeployment, { params: { id: queued } })
    const back = await ada.lockgate(['cancel', running])
    const followed = await ada.lockgate(['follow', running])
    const report = await clients.stop()

    expect(at.status).toBe('cancelled')
    expect(back.stdout).toContain('goes back to what was there')
    expect(followed.status).toBe(1)
    expect(followed.stdout).toMatch(/deploy d-\w+ cancelled in/)
    expect(report.failed, formatReport(report)).toBe(0)
    expect(await lockgate.status('cancelled')).toMatchObject({ state: 'running', release: 'r1', ready: 1 })
    expect((await lockgate.status('cancelled')).instances).toHaveLength(1)
    const again = await lockgate.call(endpoints.cancelDeployment, { params: { id: running } })
    expect(again.status).toBe('cancelled')
  })
})

describe('commands', () => {
  test('run gives output and exit status, in the image and configuration that run now, without secrets', async () => {
    await anApp('commands')
    await configure('commands', { set: { GREETING: 'hello', PASSWORD: 'hunter2-hunter2' }, secret: ['PASSWORD'] })

    const good = await ada.lockgate([
      'run',
      'commands',
      '--',
      'node',
      '-e',
      'console.log(process.env.GREETING, process.env.VERSION, process.env.PASSWORD, process.env.PASSWORD.length)',
    ])
    const bad = await ada.lockgate(['run', 'commands', '--', 'node', '-e', 'console.error("oh no"); process.exit(3)'])
    const none = await ada.lockgate(['run', 'commands', '--', 'no-such-program'])

    expect(good.stdout).toContain('hello one *** 15')
    expect(good.status).toBe(0)
    expect(bad.stderr).toContain('oh no')
    expect(bad.stderr).toMatch(/o-\w+ failed: exit code 3/)
    expect(bad.status).toBe(3)
    expect(none.status).toBe(127)
    expect(none.stderr).toMatch(/no-such-program/)
    await until('nothing of them is left', async () => (await lockgate.runtime.observe()).every((one) => one.kind === 'instance'))
  })

  test('a command that does not end is ended by cancel', async () => {
    const { id } = await lockgate.call(endpoints.runOneOff, {
      ...here('commands'),
      body: { command: ['node', '-e', 'console.log("at work"); setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(0))'] },
    })
    await until('it runs', async () => (await lockgate.call(endpoints.readOneOff, { params: { id } })).status === 'running')

    await well(ada.lockgate(['cancel', id]))

    await until('it has ended', async () => (await lockgate.call(endpoints.readOneOff, { params: { id } })).status === 'cancelled', 20_000)
  })
})

describe('configuration', () => {
  test('several keys are one revision, one release, one deployment; secrets are write-only everywhere', async () => {
    const host = await anApp('config')
    const secret = 'correct-horse-battery'
    const before = (await lockgate.call(endpoints.listDeployments, here('config'))).length

    const set = await ada.lockgate(['config', 'set', '-a', 'config', 'GREETING=hi there', 'EMPTY=', 'URL=postgres://a=b'])
    await writeFile(join(ada.home, '.env'), '# comment\nFROM_FILE="with spaces"\nLINES="a\nb"\n')
    const file = await ada.lockgate(['config', 'set', '-a', 'config', '-f', '.env'])
    const sealed = await ada.lockgate(['config', 'set', '-a', 'config', '--secret', '-'], { input: `TELLS=${secret}\n` })

    for (const said of [set, file, sealed]) expect(said.status, said.all).toBe(0)
    expect((await lockgate.call(endpoints.listDeployments, here('config'))).length).toBe(before + 3)
    const seen = JSON.parse((await ask(port(), host, { path: '/env' })).body) as Record<string, string>
    expect(seen).toMatchObject({
      GREETING: 'hi there',
      EMPTY: '',
      URL: 'postgres://a=b',
      FROM_FILE: 'with spaces',
      LINES: 'a\nb',
      TELLS: secret,
      LOCKGATE_APP: 'config',
      PORT: '8080',
    })
    const got = await ada.lockgate(['config', 'get', '-a', 'config'])
    expect(got.stdout).toMatch(/TELLS +secret, version 1/)
    expect(got.stdout).toMatch(/GREETING +hi there/)
    expect(got.stdout).toMatch(/LINES +"a\\nb"/)
    expect((await ada.lockgate(['config', 'get', 'TELLS', '-a', 'config'])).stderr).toContain('is a secret and is not shown to anybody')
    expect((await ada.lockgate(['config', 'get', 'GREETING', '-a', 'config'])).stdout).toBe('hi there\n')
    // The app prints it at its start: the log has it masked.
    await until('the app told it', async () => (await lockgate.call(endpoints.readLogs, here('config'))).some((line) => line.text === 'told: ***'))
    const answers = await Promise.all([
      lockgate.call(endpoints.readConfig, here('config')),
      lockgate.call(endpoints.configHistory, here('config')),
      lockgate.call(endpoints.listEvents, { query: { limit: 1000 } }),
      lockgate.call(endpoints.readLogs, here('config')),
      lockgate.call(endpoints.listDeployments, here('config')),
      lockgate.call(endpoints.listReleases, here('config')),
      lockgate.status('config'),
    ])
    expect(JSON.stringify(answers)).not.toContain(secret)
    expect(lockgate.log()).not.toContain(secret)
    // A secret stays one when it is set without --secret.
    await well(ada.lockgate(['config', 'set', '-a', 'config', 'TELLS=another-secret-word']))
    expect((await lockgate.call(endpoints.readConfig, here('config'))).entries.find((entry) => entry.key === 'TELLS')).toMatchObject({
      kind: 'secret',
      value: null,
      secretVersion: 2,
    })
  })

  test('unset, history and older revisions', async () => {
    await well(ada.lockgate(['config', 'unset', 'EMPTY', 'URL', '-a', 'config']))

    const history = (await ada.lockgate(['config', 'history', '-a', 'config'])).stdout
    expect(history).toMatch(/c6 .* unset EMPTY, unset URL/)
    expect(history).toMatch(/c2 .* set GREETING, set EMPTY, set URL/)
    expect((await ada.lockgate(['config', 'get', '-a', 'config', '--revision', 'c2'])).stdout).toMatch(/URL +postgres:\/\/a=b/)
    expect((await ada.lockgate(['config', 'get', '-a', 'config', '--revision', 'c99'])).stderr).toContain('[config.no_revision]')
  })

  test('what cannot be is refused with its key', async () => {
    const refused = async (body: object) =>
      lockgate.call(endpoints.changeConfig, { ...here('config'), body }).then(
        () => null,
        (error: { problem: { code: string; detail: string } }) => error.problem,
      )

    expect(await refused({ set: { 'A-B': 'x' } })).toMatchObject({
      code: 'request.invalid',
      detail: expect.stringContaining('a key is the name of an environment variable'),
    })
    expect(await refused({ set: { PORT: '1' } })).toMatchObject({ detail: expect.stringContaining('PORT is set by Lockgate') })
    expect(await refused({ set: { LOCKGATE_APP: '1' } })).toMatchObject({ detail: expect.stringContaining('are ours') })
    expect(await refused({ set: { LARGE: 'x'.repeat(65_537) } })).toMatchObject({ code: 'config.value_too_large' })
    expect(await refused({ set: { GREETING: 'hi there' } })).toMatchObject({ code: 'config.nothing_changed' })
    expect(await refused({ unset: ['NOT_THERE'] })).toMatchObject({ code: 'config.no_such_key' })
    const before = await lockgate.call(endpoints.readConfig, here('empty'))
    const early = await lockgate.call(endpoints.changeConfig, { ...here('empty'), body: { set: { EARLY: '1' } } })
    expect(before.revision).toBeNull()
    expect(early).toMatchObject({ revision: 1, deployment: null })
  })
})

describe('hostnames', () => {
  test('exact names, wildcards and paths lead where they were added; two apps cannot claim one', async () => {
    await anApp('names')
    await anApp('names-api', 1)

    await well(ada.lockgate(['domain', 'add', 'names', 'www.example.test']))
    await well(ada.lockgate(['domain', 'add', 'names', '*.wild.test']))
    await well(ada.lockgate(['domain', 'add', 'names-api', 'www.example.test', '--path', '/api']))
    const taken = await ada.lockgate(['domain', 'add', 'names-api', 'www.example.test'])
    const generated = await ada.lockgate(['domain', 'remove', 'names', 'names.localhost'])
    const odd = await ada.lockgate(['domain', 'add', 'names', 'exa_mple.test'])

    await until('the edge has them', async () => (await ask(port(), 'www.example.test', { path: '/api' })).headers['x-version'] === 'two')
    for (const [host, path, expected] of [
      ['www.example.test', '/', 'one'],
      ['www.example.test', '/apix', 'one'],
      ['www.example.test', '/api/deep', 'two'],
      ['a.wild.test', '/', 'one'],
      ['wild.test', '/', undefined],
    ] as const)
      expect((await ask(port(), host, { path })).headers['x-version'], `${host}${path}`).toBe(expected)
    expect(taken.status).toBe(5)
    expect(taken.stderr).toMatch(/www\.example\.test belongs to another app or environment.*\[domain\.taken\]/)
    expect(generated.stderr).toContain('[domain.generated]')
    expect(odd.status).toBe(2)
    await well(ada.lockgate(['domain', 'remove', 'names-api', 'www.example.test', '--path', '/api']))
    await until('it leads elsewhere', async () => (await ask(port(), 'www.example.test', { path: '/api' })).headers['x-version'] === 'one')
  })
})

describe('every kind of traffic, while releases are replaced', () => {
  test.for<readonly [what: string, name: string, count: number, manifest: string]>([
    ['blue-green with 1', 'kinds-bg', 1, ''],
    ['rolling with 2', 'kinds-roll', 2, ''],
    ['rolling with 3, surge 2', 'kinds-surge', 3, 'strategy:\n  kind: rolling\n  surge: 2\n'],
    ['rolling with 2, surge 0', 'kinds-strict', 2, 'strategy:\n  kind: rolling\n  surge: 0\n'],
  ])('%s: no request fails', async ([_what, name, count, manifest]) => {
    const host = await lockgate.create(name)
    await lockgate.deploy(name, { verb: 'scale', count })
    expect((await deploy(name, 0, manifest)).deployment.status).toBe('succeeded')
    const clients = await startDisruption({ port: port(), host, rate: 100, kinds: [...KINDS] })

    for (const at of [1, 2]) {
      const live = await deploy(name, at, manifest)
      clients.mark(`deployed ${at}`)
      expect(live.deployment.status).toBe('succeeded')
      expect(live.deployment.strategy.kind).toBe(count === 1 ? 'blue-green' : 'rolling')
    }
    const report = await clients.stop()

    expect(report.failed, formatReport(report)).toBe(0)
    for (const kind of KINDS) expect(report.kinds[kind]?.sent, kind).toBeGreaterThan(0)
    expect(await version(host)).toBe('three')
  })

  test('strict order never has more than the count, surge has that many more', async () => {
    const most = async (name: string, manifest: string): Promise<number> => {
      let seen = 0
      const done = deploy(name, 0, manifest)
      let ended = false
      void done.finally(() => {
        ended = true
      })
      await until(
        'it has ended',
        async () => {
          seen = Math.max(seen, (await lockgate.runtime.observe((await lockgate.status(name)).id)).filter((one) => one.state === 'running').length)
          return ended
        },
        60_000,
      )
      expect((await done).deployment.status).toBe('succeeded')
      return seen
    }

    expect(await most('kinds-strict', 'strategy:\n  kind: rolling\n  surge: 0\n')).toBe(2)
    expect(await most('kinds-surge', 'strategy:\n  kind: rolling\n  surge: 2\n')).toBe(5)
  })

  test('an h2c app is served over HTTP/2 without a lost stream', async () => {
    const [first, second] = [await testImage(lockgate.boxes, 'h2c', 'one'), await testImage(lockgate.boxes, 'h2c', 'two')]
    const host = await lockgate.create('streams')
    const manifest = 'protocol: h2c\n'
    expect((await lockgate.deploy('streams', { verb: 'deploy', image: first, manifest })).deployment.status).toBe('succeeded')
    expect((await ask(port(), host)).body).toBe('one')
    const failures: string[] = []
    let asked = 0
    let going = true
    const asking = (async () => {
      while (going) {
        const body = Buffer.alloc(100_000, 'e')
        const echoed = await echo({ port: port(), host }, body).catch((error: Error) => {
          failures.push(error.message)
          return null
        })
        if (echoed !== null && echoed !== body.length) failures.push(`${echoed} bytes`)
        asked += 1
      }
    })()

    const live = await lockgate.deploy('streams', { verb: 'deploy', image: second, manifest })
    going = false
    await asking

    expect(live.deployment.status).toBe('succeeded')
    expect(asked).toBeGreaterThan(5)
    expect(failures).toEqual([])
    expect((await ask(port(), host)).body).toBe('two')
  })
})

describe('app remove', () => {
  test('leaves no container, network, route, image, cache, log or repository, whatever was on its way', async () => {
    const folder = await ada.repository('goes', { example: 'node-hello' })
    await well(ada.lockgate(['create', 'goes'], { cwd: folder }))
    await well(ada.git(folder, 'push', 'lockgate', 'main'))
    await well(ada.lockgate(['domain', 'add', 'goes', 'goes.test']))
    await well(ada.lockgate(['environment', 'add', 'goes', 'staging']))
    const { id } = await lockgate.status('goes')
    await lockgate.call(endpoints.runOneOff, { ...here('goes'), body: { command: ['sleep', '1000'] } })
    await open('goes', { verb: 'restart' })
    const unsure = await ada.lockgate(['app', 'remove', 'goes'])

    const said = await well(ada.lockgate(['app', 'remove', 'goes', '--yes']))
    const again = await ada.lockgate(['app', 'remove', 'goes', '--yes'])

    expect(unsure.status).toBe(2)
    expect(said.stdout).toContain('goes is being removed')
    expect([0, 4]).toContain(again.status)
    await until('it is gone', async () => (await ada.lockgate(['status', 'goes'])).status === 4, 60_000)
    const left = await holdingsOf(lockgate.name)
    expect(left.containers.filter((one) => one.includes('goes'))).toEqual([])
    expect(left.images.filter((one) => one.includes('goes'))).toEqual([])
    expect(left.networks.filter((one) => one.includes(id))).toEqual([])
    expect(left.volumes).toEqual([])
    for (const host of ['goes.localhost', 'goes.test']) expect((await ask(port(), host)).status).toBe(404)
    expect(await readdir(join(lockgate.directory, 'data', 'git'))).toEqual(expect.not.arrayContaining(['goes.git']))
    expect(await readdir(join(lockgate.directory, 'data', 'logs', 'environment'))).toEqual(expect.not.arrayContaining([`${id}.log`]))
    const pushed = await ada.git(folder, 'push', 'lockgate', 'HEAD:refs/heads/other')
    expect(pushed.all).toContain('There is no app goes')
    await well(ada.lockgate(['create', 'goes'], { cwd: folder }))
    expect((await ada.git(folder, 'push', 'lockgate', 'main')).status).toBe(0)
  })
})
