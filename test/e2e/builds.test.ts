import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { run } from '../../src/lib/run.ts'
import { ask } from '../support/edge.ts'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Files, type Person, well } from '../support/person.ts'
import { aRegistry, type RunningRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person
let open: RunningRegistry
let closed: RunningRegistry

beforeAll(async () => {
  open = await aRegistry(false)
  closed = await aRegistry(true)
  const runtime = { driver: 'docker', config: { registryNetworks: ['127.0.0.0/8'] } }
  lockgate = await anInstallation({ range: '10.223.0.0/16', settings: { artifactsRegistry: `${open.host}/lockgate`, parallelBuilds: 2, runtime } })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
  await open?.stop()
  await closed?.stop()
})

const page = (text: string): Files => ({ 'index.html': `<!doctype html><h1>${text}</h1>\n` })
/** An app whose build waits until the file `go` is in the folder that is mounted nowhere: it sleeps. */
const slow = (seconds: number, text = 'slow'): Files => ({
  Makefile: `build:\n\tsleep ${seconds}\n\ttouch code.tar.gz\n\ttar -czf code.tar.gz --exclude=./code.tar.gz .\nrun:\n\texec node server.js\n`,
  'server.js': `const s = require('http').createServer((q, r) => r.end('${text}')).listen(process.env.PORT); process.on('SIGTERM', () => s.close(() => process.exit(0)))\n`,
})
const here = (app: string, environment = 'production') => ({ params: { app, environment } as never })
const builds = (app: string, environment = 'production') => lockgate.call(endpoints.listBuilds, here(app, environment))
const answer = async (app: string) => (await ask(lockgate.edge.config.httpPort, `${app}.localhost`)).body
const docker = async (...args: readonly string[]) => (await run('docker', args)).stdout.trim()

async function anApp(name: string, files: Files): Promise<string> {
  const folder = await ada.repository(name, { files })
  await well(ada.lockgate(['create', name], { cwd: folder }))
  return folder
}
const push = (folder: string, ref = 'main') => well(ada.git(folder, 'push', 'lockgate', ref))

describe('registries', () => {
  test('an image of a private registry is refused without a credential and deployed with one, which nobody sees again', async () => {
    const image = `${closed.host}/team/hello:1`
    const digest = (await lockgate.boxes.findImage(await testImage(lockgate.boxes, 'hello'))) ?? ''
    await run('docker', ['--config', ada.home, 'login', '--username', 'grace', '--password-stdin', closed.host], {
      input: 'grace-s-password',
      env: { HOME: ada.home },
    })
    await docker('tag', digest, image)
    await run('docker', ['--config', ada.home, 'push', '--quiet', image], { env: { HOME: ada.home } })
    await docker('rmi', image)
    await well(ada.lockgate(['create', 'hidden']))

    const refused = await ada.lockgate(['deploy', 'hidden', '--image', image])
    await well(ada.lockgate(['registry', 'set', closed.host, '--username', 'grace'], { input: 'grace-s-password\n' }))
    const deployed = await ada.lockgate(['deploy', 'hidden', '--image', image])

    await well(ada.lockgate(['registry', 'set', closed.host, '--username', 'grace', '--trust', 'protected'], { input: 'grace-s-password\n' }))
    await well(ada.lockgate(['environment', 'add', 'hidden', 'staging']))
    const lower = await ada.lockgate(['deploy', 'hidden', '--image', image, '--environment', 'staging'])

    expect(refused.status).not.toBe(0)
    expect(refused.all).toContain('image.')
    expect(lower.all).toContain('image.not_trusted')
    expect(deployed.status).toBe(0)
    expect(await answer('hidden')).not.toBe('')
    const listed = await well(ada.lockgate(['registries']))
    expect(listed.all).toMatch(new RegExp(`${closed.host} +grace +protected`))
    expect(listed.all + lockgate.log()).not.toContain('grace-s-password')
    await docker('rmi', image)
  })

  test('a tag that moved in its registry is followed, and one whose registry is away is what the engine has', async () => {
    const image = `${open.host}/team/moving:1`
    const versions = await Promise.all(
      ['a', 'b'].map(async (version) => (await lockgate.boxes.findImage(await testImage(lockgate.boxes, 'hello', version))) ?? ''),
    )
    await docker('tag', versions[1] ?? '', image)
    await docker('push', '--quiet', image)
    await docker('tag', versions[0] ?? '', image)
    await well(ada.lockgate(['create', 'follower']))

    await well(ada.lockgate(['deploy', 'follower', '--image', image]))

    const [release] = await lockgate.call(endpoints.listReleases, here('follower'))
    expect(release?.digest).toBe(versions[1])
    await docker('rmi', image)
  })

  test('what is built is pushed to the registry of artifacts, and brought back when the engine has lost it', async () => {
    const folder = await anApp('kept', page('kept'))
    const said = await push(folder)
    const [release] = await lockgate.call(endpoints.listReleases, here('kept'))
    const reference = /Pushed to the registry of artifacts: (\S+)/.exec(said.all)?.[1] ?? ''
    await well(ada.lockgate(['stop', 'kept']))
    await docker('rmi', '--force', release?.digest ?? '')

    await well(ada.lockgate(['start', 'kept']))

    expect(reference).toMatch(new RegExp(`^${open.host}/lockgate/kept@sha256:[0-9a-f]{64}$`))
    expect(await answer('kept')).toContain('kept')
  })
})

describe('the queue', () => {
  test('twenty pushes at once all end right, and the newest commit of each app is live', async () => {
    const apps = ['q-one', 'q-two', 'q-three', 'q-four']
    const folders = await Promise.all(apps.map((app) => anApp(app, page(`${app} 0`))))
    for (const folder of folders) for (let at = 1; at <= 4; at++) await ada.commit(folder, page(`${folder.split('/').at(-1)} ${at}`))

    const pushes = await Promise.all(
      folders.flatMap((folder) =>
        [4, 3, 2, 1, 0].map((back) => ada.git(folder, 'push', 'lockgate', `HEAD~${back}:refs/heads/main`).then((said) => ({ folder, back, said }))),
      ),
    )

    for (const { said, back } of pushes) {
      const isRight = said.status === 0 || /takes its place|newer|moved meanwhile|superseded/.test(said.all)
      expect(isRight, `HEAD~${back}: ${said.all}`).toBe(true)
    }
    for (const folder of folders) await well(ada.git(folder, 'push', 'lockgate', 'main'))
    for (const app of apps) await until(`${app} shows its newest`, async () => (await answer(app)).includes(`${app} 4`), 30_000)
    const all = (await Promise.all(apps.map((app) => builds(app)))).flat()
    expect(new Set(all.map((one) => one.status))).not.toContain('failed')
    expect(all.filter((one) => one.finishedAt === null)).toEqual([])
  })

  test('as many run as there is room for, one of each app; production goes first, and a newer commit takes the place of one that waits', async () => {
    const first = await anApp('room-one', slow(6))
    const second = await anApp('room-two', slow(6))
    const third = await anApp('room-three', slow(1))
    await well(ada.lockgate(['environment', 'add', 'room-three', 'staging']))
    const running = [ada.start('git', ['push', 'lockgate', 'main'], first), ada.start('git', ['push', 'lockgate', 'main'], second)]
    await until('two builds run', async () => (await lockgate.call(endpoints.listAllBuilds, { query: { status: 'running' } })).length === 2)

    const staging = ada.start('git', ['push', 'lockgate', 'main:staging'], third)
    await until('one waits', async () => (await builds('room-three', 'staging')).length === 1)
    await ada.commit(third, page('newer'))
    const newer = ada.start('git', ['push', 'lockgate', 'main:staging'], third)
    const production = ada.start('git', ['push', 'lockgate', 'main'], third)
    await Promise.all([...running, staging, newer, production].map((one) => one.ended))

    const [later, earlier] = await builds('room-three', 'staging')
    const [urgent] = await builds('room-three')
    expect(earlier).toMatchObject({ status: 'superseded', cause: 'newer_commit' })
    expect(staging.said()).toContain('takes its place')
    expect(later?.status).toBe('succeeded')
    expect(urgent?.startedAt ?? 0).toBeLessThan(later?.startedAt ?? 0)
  })

  test('a build is found again after kill -9, and done once', async () => {
    const folder = await anApp('found', slow(3, 'found'))
    const pushing = ada.start('git', ['push', 'lockgate', 'main'], folder)
    await until('it runs', async () => (await builds('found'))[0]?.status === 'running')
    await lockgate.kill()
    await lockgate.start()
    await pushing.ended

    await until('it is live', async () => (await answer('found')) === 'found', 60_000)
    const list = await builds('found')
    expect(list.map((one) => one.status)).toEqual(['succeeded'])
    expect((await lockgate.call(endpoints.listReleases, here('found'))).length).toBe(1)
  })
})

describe('one build', () => {
  test('is shown with its steps and seconds, searched, and repeated', async () => {
    const folder = await anApp('shown', slow(1, 'shown'))
    await push(folder)
    const [build] = await builds('shown')
    const id = build?.id ?? ''

    const show = await well(ada.lockgate(['build', 'show', id]))
    const log = await well(ada.lockgate(['build', 'log', id, '--search', 'SLEEP']))
    const again = await well(ada.lockgate(['build', 'retry', id]))
    const list = await well(ada.lockgate(['builds', '--all']))

    expect(show.stdout).toMatch(/✓ make build +1\.\d s/)
    expect(show.stdout).toMatch(/build b-\w+ succeeded in \d+\.\d s/)
    expect(log.stdout.trim().split('\n')).toEqual(['sleep 1'])
    expect(again.stdout).toMatch(/succeeded in/)
    expect((await builds('shown')).map((one) => one.status)).toEqual(['succeeded', 'succeeded'])
    expect(list.stdout).toMatch(/shown production/)
  })

  test('gets the secrets it names, and they are not in its log', async () => {
    const files = slow(0, 'secret')
    const folder = await anApp('secretive', {
      ...files,
      Makefile: String(files['Makefile']).replace('sleep 0', () => '@test "$$DEPLOY_KEY" = s3cr3t-v4lue && echo "it is $$DEPLOY_KEY"'),
      'lockgate.yaml': 'build:\n  secrets: [DEPLOY_KEY]\n',
    })
    const without = await ada.git(folder, 'push', 'lockgate', 'main')
    await well(ada.lockgate(['config', 'set', '--secret', 'DEPLOY_KEY=s3cr3t-v4lue'], { cwd: folder }))

    const said = await push(folder)

    expect(without.all).toContain('build.secrets names DEPLOY_KEY, which production does not have')
    expect(said.all).toContain('it is ***')
    expect(said.all).not.toContain('s3cr3t-v4lue')
    const [release] = await lockgate.call(endpoints.listReleases, here('secretive'))
    expect(await docker('history', '--no-trunc', release?.digest ?? '')).not.toContain('s3cr3t-v4lue')
    expect(await docker('inspect', release?.digest ?? '')).not.toContain('s3cr3t-v4lue')
  })
})

describe('a secret', () => {
  test('whose version was revoked is not used again, not even by a rollback', async () => {
    const folder = await anApp('revoking', page('one'))
    await well(ada.lockgate(['config', 'set', '--secret', 'KEY=first-value'], { cwd: folder }))
    await push(folder)
    await well(ada.lockgate(['config', 'set', '--secret', 'KEY=second-value'], { cwd: folder }))

    await well(ada.lockgate(['config', 'revoke', 'KEY', '1'], { cwd: folder }))
    const back = await ada.lockgate(['rollback', 'revoking'])
    const unknown = await ada.lockgate(['config', 'revoke', 'KEY', '9'], { cwd: folder })

    expect(back.all).toContain('Version 1 of the secret KEY was revoked')
    expect(back.status).toBe(1)
    expect(await answer('revoking')).toContain('one')
    expect(unknown.all).toContain('[secret_version.not_found]')
  })
})

describe('the disk', () => {
  test('what takes it is shown, what nobody misses may go, and goes', async () => {
    const folder = await anApp('leaving', page('leaving'))
    await push(folder)
    const own = `lockgate-${lockgate.name}/leftover:1`
    await docker('tag', (await lockgate.boxes.findImage(await testImage(lockgate.boxes, 'hello', 'left'))) ?? '', own)

    const shown = await lockgate.call(endpoints.disk, {})
    const said = await well(ada.lockgate(['disk']))

    expect(shown.items.find((item) => item.kind === 'artifact' && item.name.startsWith('leaving: main@'))?.mayGo).toBeNull()
    expect(shown.items.find((item) => item.kind === 'database')?.bytes).toBeGreaterThan(0)
    expect(shown.items.find((item) => item.kind === 'repository' && item.name === 'leaving')?.bytes).toBeGreaterThan(0)
    const leftover = shown.items.find((item) => item.name === own)
    expect(leftover?.kind).toBe('leftover')
    expect(said.stdout).toMatch(/GB free; nothing is built below \d+\.\d GB/)
    await well(ada.lockgate(['disk', '--clean']))
    const after = await lockgate.call(endpoints.disk, {})
    // An image that is younger than ten minutes may be about to be recorded: it stays.
    expect(after.items.some((item) => item.name === own)).toBe(leftover?.mayGo === null)
    expect(await answer('leaving')).toContain('leaving')
    expect(await docker('images', '--quiet', `lockgate-${lockgate.name}/leaving`)).not.toBe('')
    await run('docker', ['rmi', own], { anyStatus: true })
  })
})
