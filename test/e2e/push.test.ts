import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { startDisruption } from '../support/disruption/index.ts'
import { ask } from '../support/edge.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Files, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.213.0.0/16' })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

const page = (text: string): Files => ({ 'index.html': `<!doctype html><title>${text}</title><h1>${text}</h1>\n` })
/** A Makefile app whose build does `recipe` first. */
const made = (recipe: string, yaml = ''): Files => ({
  Makefile: `build:\n\t${recipe}\n\ttouch code.tar.gz\n\ttar -czf code.tar.gz --exclude=./code.tar.gz --exclude=./.git .\nrun:\n\texec node server.js\n`,
  'server.js':
    "const s = require('http').createServer((q, r) => r.end('made')).listen(process.env.PORT); process.on('SIGTERM', () => s.close(() => process.exit(0)))\n",
  ...(yaml === '' ? {} : { 'lockgate.yaml': yaml }),
})

/** A repository with an app of its name. */
async function anApp(name: string, content: { readonly example?: string; readonly files?: Files }): Promise<string> {
  const folder = await ada.repository(name, content)
  await well(ada.lockgate(['create', name], { cwd: folder }))
  return folder
}

const push = (folder: string, ...args: readonly string[]) => ada.git(folder, 'push', 'lockgate', ...(args.length === 0 ? ['main'] : args))
const here = (app: string, environment = 'production') => ({ params: { app, environment } as never })
const builds = (app: string) => lockgate.call(endpoints.listBuilds, here(app))
const deployments = (app: string) => lockgate.call(endpoints.listDeployments, here(app))
const answer = async (host: string) => (await ask(lockgate.edge.config.httpPort, host)).body
/** Where a ref of the server's repository stands. */
const remote = async (folder: string, ref: string) => (await well(ada.git(folder, 'ls-remote', 'lockgate', ref))).stdout.split('\t')[0] ?? ''
const head = async (folder: string) => (await well(ada.git(folder, 'rev-parse', 'HEAD'))).stdout.trim()

describe('git push', () => {
  test.each([
    ['node-hello', 'node: found package.json and package-lock.json', 'Hello from Node'],
    ['static-hello', 'static: found index.html', '<html'],
    ['dockerfile-hello', 'dockerfile: found a Dockerfile', 'Hello from a Dockerfile'],
    ['makefile-hello', 'makefile: the Makefile has the targets build and run', '<html'],
  ])('%s is built and deployed, and the pusher sees build, flow and address', async (example, chosen, text) => {
    const folder = await anApp(example, { example })

    const said = await push(folder)

    expect(said.all).toContain(`remote:   Building as ${chosen}`)
    expect(said.all).toMatch(/remote: +✓ check/)
    expect(said.all).toMatch(/remote: +✓ start +web\.0/)
    expect(said.all).toMatch(/remote: deploy d-\w+ succeeded in/)
    expect(said.all).toContain(`remote: live at http://${example}.localhost:${lockgate.edge.config.httpPort}/`)
    expect(said.status).toBe(0)
    expect(await answer(`${example}.localhost`)).toContain(text)
    expect(await remote(folder, 'refs/heads/main')).toBe(await head(folder))
  })

  test('another clone gets the remote of an app that is there, and pushes with no password in it', async () => {
    const folder = await anApp('cloned', { files: { 'index.html': 'first' } })
    const other = await ada.repository('other-clone', { files: { 'index.html': 'from elsewhere' } })
    const outside = await ada.lockgate(['remote', 'cloned'])

    const led = await well(ada.lockgate(['remote', 'cloned'], { cwd: other }))
    const said = await push(other)

    expect(outside.status).toBe(2)
    expect(outside.all).toContain('This is no git repository')
    expect(led.stdout).toMatch(/^The git remote "lockgate" leads to \S+\/git\/cloned\.git\.\n$/)
    expect(said.status).toBe(0)
    expect(await answer('cloned.localhost')).toBe('from elsewhere')
    expect(await remote(folder, 'refs/heads/main')).toBe(await head(other))
  })

  test('no token stands in the repository', async () => {
    const config = await readFile(join(ada.home, 'static-hello', '.git', 'config'), 'utf8')

    expect(config).toContain('helper')
    expect(config).not.toContain('lgt_')
  })

  test('a commit that was built before is deployed again without a build', async () => {
    const before = await builds('static-hello')

    const said = await well(ada.lockgate(['deploy', 'static-hello', '--ref', 'main']))

    expect(said.stdout).toContain('succeeded')
    expect(await builds('static-hello')).toEqual(before)
    expect((await deployments('static-hello'))[0]).toMatchObject({ verb: 'deploy', status: 'succeeded', release: 'r2' })
  })

  test('a build that fails is refused with its reason, moves no branch, and the same commit can be pushed again', async () => {
    const folder = await anApp('wrong-build', { files: made('cat no-such-file') })

    const first = await push(folder)
    const again = await push(folder)

    for (const said of [first, again]) {
      expect(said.status).toBe(1)
      expect(said.all).toMatch(/remote: .*cat: no-such-file: No such file/)
      expect(said.all).toMatch(/! \[remote rejected\] main -> main \(build failed: "make build" exited with \d+: the log says why\)/)
    }
    expect(await remote(folder, 'refs/heads/main')).toBe('')
    expect((await builds('wrong-build')).map((build) => build.status)).toEqual(['failed', 'failed'])
  })

  test('a deployment that fails is refused with its reason while the old release serves', async () => {
    const folder = await anApp('wrong-start', { files: page('good') })
    await well(push(folder))
    const good = await head(folder)
    await ada.commit(folder, { ...page('bad'), 'lockgate.yaml': 'health:\n  path: /no-such-page\n  start_deadline: 2s\n' })
    const clients = await startDisruption({ port: lockgate.edge.config.httpPort, host: 'wrong-start.localhost', rate: 50, kinds: ['new', 'kept'] })

    const said = await push(folder)
    const report = await clients.stop()

    expect(said.status).toBe(1)
    expect(said.all).toMatch(/! \[remote rejected\] main -> main \(deployment failed: .* was not ready within 2 s: GET \/no-such-page → 404/)
    expect(report.failed).toBe(0)
    expect(await answer('wrong-start.localhost')).toContain('good')
    expect(await remote(folder, 'refs/heads/main')).toBe(good)
  })

  test('a wrong lockgate.yaml is named with line and column', async () => {
    const folder = await anApp('wrong-yaml', { files: { ...page('x'), 'lockgate.yaml': 'port: 8080\nhealth:\n  pth: /up\nport: 9\n' } })

    const doubled = await push(folder)
    await ada.commit(folder, { 'lockgate.yaml': 'port: 8080\nhealth:\n  pth: /up\n' })
    const unknown = await push(folder)

    expect(doubled.all).toMatch(/remote: +lockgate\.yaml:4:1: this key stands here twice/)
    expect(unknown.all).toMatch(/remote: +lockgate\.yaml:3:3: health\.pth: there is no key "pth" here/)
    expect(unknown.all).toMatch(/\[remote rejected\] main -> main \(build failed: lockgate\.yaml:3:3/)
  })

  test('another branch is kept and not deployed; an environment deploys from its own', async () => {
    const folder = join(ada.home, 'static-hello')
    const before = await deployments('static-hello')
    await well(ada.git(folder, 'checkout', '--quiet', '-b', 'try'))
    await ada.commit(folder, page('on try'))

    const kept = await well(push(folder, 'try'))
    await well(ada.lockgate(['environment', 'add', 'static-hello', 'staging', '--branch', 'try-staging']))
    const staged = await well(push(folder, 'HEAD:refs/heads/try-staging'))
    const tagged = await well(push(folder, 'HEAD:refs/tags/v1.0'))

    expect(kept.all).toContain('try kept; nothing is deployed: main → production')
    expect(await remote(folder, 'refs/heads/try')).toBe(await head(folder))
    expect(staged.all).toContain(`live at http://static-hello-staging.localhost:${lockgate.edge.config.httpPort}/`)
    expect(await answer('static-hello-staging.localhost')).toContain('on try')
    expect(tagged.all).toContain('tag kept; nothing is deployed')
    expect(await deployments('static-hello')).toEqual(before)
    expect(await answer('static-hello.localhost')).not.toContain('on try')
  })

  test('refs: a deployed branch cannot be deleted, another can; odd names are refused', async () => {
    const folder = join(ada.home, 'static-hello')

    const deployed = await push(folder, ':main')
    const other = await push(folder, ':try')
    const odd = await Promise.all(['refs/notes/x', 'refs/replace/x', 'refs/meta/config', 'refs/lockgate/pushes/1'].map((ref) => push(folder, `HEAD:${ref}`)))

    expect(deployed.all).toMatch(/\[remote rejected\] main \(main is what production is deployed from, and cannot be deleted\)/)
    expect(other.status).toBe(0)
    expect(await remote(folder, 'refs/heads/try')).toBe('')
    for (const said of odd) {
      expect(said.status).toBe(1)
      expect(said.all).toMatch(/remote rejected/)
    }
    for (const ref of ['-x', '--upload-pack=x', 'a..b', 'main@{1}', 'refs/heads/../x', 'no-such-branch', 'x'.repeat(300)]) {
      const said = await ada.lockgate(['deploy', 'static-hello', `--ref=${ref}`])
      expect(said.status, ref).not.toBe(0)
      expect(said.stderr, ref).toMatch(/\[(ref\.invalid|ref\.not_found|request\.invalid)\]/)
    }
  })

  test('a shallow clone can push', async () => {
    const origin = await ada.repository('deep', { files: page('one') })
    for (const text of ['two', 'three']) await ada.commit(origin, page(text))
    await well(ada.git(ada.home, 'clone', '--quiet', '--depth=1', `file://${origin}`, 'shallow'))
    const folder = join(ada.home, 'shallow')
    await well(ada.lockgate(['create', 'shallow'], { cwd: folder }))

    const said = await push(folder)

    expect(said.status, said.all).toBe(0)
    expect(await answer('shallow.localhost')).toContain('three')
  })

  test('a push of 200 MB is taken, and the server does not grow by it', async () => {
    const folder = await anApp('large', { files: page('large') })
    await writeFile(join(folder, 'large.bin'), randomBytes(200 * 1024 * 1024))
    await well(ada.git(folder, 'config', 'core.compression', '0'))
    await ada.commit(folder, {})
    const memory = async (what: 'VmRSS' | 'VmHWM') =>
      Number(new RegExp(`${what}:\\s+(\\d+)`).exec(await readFile(`/proc/${lockgate.pid()}/status`, 'utf8'))?.[1]) / 1024
    await writeFile(`/proc/${lockgate.pid()}/clear_refs`, '5')
    const before = await memory('VmRSS')

    const said = await push(folder)

    expect(said.status, said.all.slice(-2000)).toBe(0)
    expect((await ask(lockgate.edge.config.httpPort, 'large.localhost', { path: '/large.bin' })).headers['content-length']).toBe(String(200 * 1024 * 1024))
    expect((await memory('VmHWM')) - before).toBeLessThan(100)
  })

  test('two pushes at once end right, and the newest commit is live', async () => {
    const folder = await anApp('both', { files: page('start') })
    await well(push(folder))
    await well(ada.git(ada.home, 'clone', '--quiet', folder, 'both-again'))
    await ada.commit(folder, page('first push'))
    const again = join(ada.home, 'both-again')
    await well(ada.git(again, 'remote', 'add', 'lockgate', (await well(ada.git(folder, 'remote', 'get-url', 'lockgate'))).stdout.trim()))
    await well(ada.git(again, 'config', 'credential.helper', `!${join(ada.home, 'bin/lockgate')} credential`))
    const newest = await ada.commit(again, page('second push'))

    const first = ada.start('git', ['push', 'lockgate', 'main'], folder)
    await until('the first is building', () => first.said().includes('Building as'), 30_000)
    const second = ada.start('git', ['push', 'lockgate', 'main'], again)
    const statuses = await Promise.all([first.ended, second.ended])

    expect(statuses, first.said() + second.said()).toEqual([0, 0])
    expect(await answer('both.localhost')).toContain('second push')
    expect(await remote(again, 'refs/heads/main')).toBe(newest)
  })

  test('who may not push is told so', async () => {
    const guarded = await anApp('guarded', { files: page('mine') })
    const { secret } = await lockgate.call(endpoints.createToken, { body: { name: 'vera', role: 'viewer' } })
    const vera = await aPerson(lockgate.apiUrl, secret)
    const { secret: developing } = await lockgate.call(endpoints.createToken, { body: { name: 'dora', role: 'developer' } })
    const dora = await aPerson(lockgate.apiUrl, developing)
    const url = `${lockgate.apiUrl}/git/guarded.git`
    try {
      for (const person of [vera, dora]) {
        const folder = await person.repository('app', { files: page('not mine') })
        await well(person.git(folder, 'config', 'credential.helper', `!${join(person.home, 'bin/lockgate')} credential`))
      }

      const viewer = await vera.git(join(vera.home, 'app'), 'push', url, 'HEAD:main')
      const developer = await dora.git(join(dora.home, 'app'), 'push', '--force', url, 'HEAD:main')
      const nowhere = await ada.git(guarded, 'push', `${lockgate.apiUrl}/git/no-such-app.git`, 'main')
      const nobody = await ada.git(guarded, '-c', 'credential.helper=', 'push', url.replace('//', '//x:lgt_wrong@'), 'main')

      expect(viewer.status).not.toBe(0)
      expect(viewer.all).toContain('remote: vera (viewer) may not push code')
      expect(developer.all).toContain('(dora (developer) may not push to production)')
      expect(nowhere.all).toContain('There is no app no-such-app')
      expect(nobody.all).toContain('Authentication failed')
      expect(await deployments('guarded')).toEqual([])
    } finally {
      await vera.leave()
      await dora.leave()
    }
  })

  test('a pusher who leaves does not end the work: it is deployed, and the branch moves', async () => {
    const folder = await anApp('leaver', { files: made('sleep 3') })

    const running = ada.start('git', ['push', 'lockgate', 'main'], folder)
    await until('it is building', () => running.said().includes('Building as'), 30_000)
    await running.interrupt()
    await running.ended

    await until('the branch moved', async () => (await remote(folder, 'refs/heads/main')) === (await head(folder)), 40_000)
    expect(await answer('leaver.localhost')).toBe('made')
    expect(lockgate.hasEnded()).toBe(false)
  })

  test('kill -9 of the server during a build: it is built again, deployed, and the branch moves', async () => {
    const folder = await anApp('survivor', { files: made('sleep 3') })
    const running = ada.start('git', ['push', 'lockgate', 'main'], folder)
    await until('it is building', () => running.said().includes('Building as'), 30_000)

    await lockgate.kill()
    expect(await running.ended).not.toBe(0)
    await lockgate.start()

    await until('the branch moved', async () => (await remote(folder, 'refs/heads/main')) === (await head(folder)), 60_000)
    expect(await answer('survivor.localhost')).toBe('made')
    expect(await builds('survivor')).toMatchObject([{ status: 'succeeded' }])
  })

  test('a build that is cancelled ends within 10 s', async () => {
    const folder = await anApp('endless', { files: made('sleep 1000') })
    const running = ada.start('git', ['push', 'lockgate', 'main'], folder)
    await until('it is at work', () => running.said().includes('make build'), 30_000)
    const id = (await builds('endless'))[0]?.id ?? ''
    const began = performance.now()

    await well(ada.lockgate(['cancel', id]))
    const status = await running.ended

    expect(performance.now() - began).toBeLessThan(10_000)
    expect(status).toBe(1)
    expect(running.said()).toMatch(/\[remote rejected\] main -> main \(build cancelled: cancelled by /)
    expect((await lockgate.boxes.findImage(`lockgate-${lockgate.name}/endless:${id}`)) ?? null).toBeNull()
  })

  test.each([
    ['hangs', made('sleep 1000', 'build:\n  timeout: 3s\n'), /"make build" had not ended after 3 s, the time a build of this app may take: set build\.timeout/],
    ['forks', made('for i in $$(seq 900); do sleep 30 & done; wait', 'build:\n  timeout: 40s\n'), /512 processes/],
    [
      'fills',
      made('node -e "const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))"', 'build:\n  memory: 128MB\n'),
      /needed more than the 128 MB of memory a build of this app may use: set build\.memory/,
    ],
  ])('a build that %s ends with the limit it met', async (name, files, reason) => {
    const folder = await anApp(`build-${name}`, { files })

    const said = await push(folder)

    expect(said.status).toBe(1)
    expect(said.all.replace(/\s+/g, ' ')).toMatch(reason)
    expect((await lockgate.call(endpoints.health, {})).status).toBe('ok')
  })
})
