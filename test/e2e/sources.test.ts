import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { ask } from '../support/edge.ts'
import { aGitHost, anSshHost, type GitHost, type SshHost } from '../support/git-host.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Files, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

let lockgate: Installation
let ada: Person
let host: GitHost
let ssh: SshHost

beforeAll(async () => {
  host = await aGitHost()
  ssh = await anSshHost()
  lockgate = await anInstallation({ range: '10.222.0.0/16', settings: { sources: { allowNetworks: ['127.0.0.0/8'], allowHttp: true } } })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
  await host?.stop()
  await ssh?.stop()
})

const page = (text: string): Files => ({ 'index.html': `<!doctype html><h1>${text}</h1>\n` })
const here = (app: string, environment = 'production') => ({ params: { app, environment } as never })
const builds = (app: string, environment = 'production') => lockgate.call(endpoints.listBuilds, here(app, environment))
const answer = async (app: string) => (await ask(lockgate.edge.config.httpPort, `${app}.localhost`)).body
const shows = (app: string, text: string) => until(`${app} shows ${text}`, async () => (await answer(app).catch(() => '')).includes(text), 60_000)

async function aFolder(name: string, files: Files): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(ada.home, name, path, '..'), { recursive: true })
    await writeFile(join(ada.home, name, path), text)
  }
  return join(ada.home, name)
}

const create = (app: string) => well(ada.lockgate(['create', app]))

describe('a folder', () => {
  test('is deployed as it is, without git', async () => {
    await create('folder')
    const folder = await aFolder('plain', page('from a folder'))

    const said = await ada.lockgate(['deploy', 'folder', folder])

    expect(said.all).toContain('sending 1 file,')
    expect(said.status).toBe(0)
    expect(await answer('folder')).toContain('from a folder')
  })

  test('that did not change is not built again', async () => {
    await well(ada.lockgate(['deploy', 'folder', join(ada.home, 'plain')]))

    const [again, first] = await builds('folder')
    expect(again).toMatchObject({ status: 'succeeded', reused: first?.id, message: `the same as ${first?.id}` })
  })

  test('is sent without what .gitignore and .lockgateignore leave out, in any folder', async () => {
    await create('ignoring')
    const folder = await aFolder('ignoring', {
      'index.html': 'index',
      '.gitignore': '*.log\n/secret\n',
      '.lockgateignore': 'docs/\n',
      'debug.log': 'x',
      'secret/key': 'x',
      'docs/a.md': 'x',
      'sub/.gitignore': '!keep.log\n',
      'sub/keep.log': 'kept',
      'node_modules/m/index.js': 'x',
    })

    await well(ada.lockgate(['deploy', 'ignoring', folder]))

    const paths = await Promise.all(
      ['/index.html', '/sub/keep.log', '/debug.log', '/secret/key', '/docs/a.md', '/node_modules/m/index.js'].map(
        async (path) => (await ask(lockgate.edge.config.httpPort, 'ignoring.localhost', { path })).status,
      ),
    )
    expect(paths).toEqual([200, 200, 404, 404, 404, 404])
  })

  test('with a link that leads out of it is refused, and nothing is built', async () => {
    await create('leading')
    const folder = await aFolder('leading', page('x'))
    await symlink('/etc/passwd', join(folder, 'out'))

    const said = await ada.lockgate(['deploy', 'leading', folder])

    expect(said.all).toMatch(/which is outside.*\[archive\.refused\]/)
    expect(said.status).toBe(2)
    expect(await builds('leading')).toEqual([])
  })

  test('says how it would be built', async () => {
    const said = await well(ada.lockgate(['detect', join(ada.home, 'plain')]))

    expect(said.stdout).toContain('static')
    expect(said.stdout).toContain('found index.html')
  })
})

describe('one repository, several apps', () => {
  test('an app lives in a folder of it, and only changes there are built', async () => {
    const folder = await ada.repository('mono', { files: { 'services/one/index.html': 'one 1', 'services/two/index.html': 'two 1', 'readme.md': 'x' } })
    for (const app of ['one', 'two']) {
      await create(app)
      await well(ada.lockgate(['app', 'set', app, '--root', `services/${app}`]))
      await well(ada.git(folder, 'remote', 'add', app, `${lockgate.apiUrl}/git/${app}.git`))
    }
    await well(ada.git(folder, 'config', `credential.${lockgate.apiUrl}.helper`, `!${join(ada.home, 'bin', 'lockgate')} credential`))
    const push = (app: string) => ada.git(folder, 'push', app, 'main')
    await well(push('one'))
    await well(push('two'))
    expect([await answer('one'), await answer('two')]).toEqual(['one 1', 'two 1'])
    await ada.commit(folder, { 'services/two/index.html': 'two 2' })

    const first = await well(push('one'))
    const second = await well(push('two'))

    expect(first.all).toMatch(/main kept; nothing is built: no change of services\/one\/\*\* since [0-9a-f]{7}, which production runs/)
    expect(second.all).toContain('live at')
    expect([await answer('one'), await answer('two')]).toEqual(['one 1', 'two 2'])
    expect((await builds('one')).length).toBe(1)
  })

  test('a folder that is not there is named', async () => {
    const folder = await ada.repository('rootless', { files: page('x') })
    await well(ada.lockgate(['create', 'rootless'], { cwd: folder }))
    await well(ada.lockgate(['app', 'set', 'rootless', '--root', 'services/none']))

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.all).toContain('has no folder services/none')
    expect(said.status).toBe(1)
  })
})

describe('branches and tags', () => {
  test('patterns lead to environments', async () => {
    const folder = await ada.repository('patterns', { files: page('main') })
    await well(ada.lockgate(['create', 'patterns'], { cwd: folder }))
    await well(ada.lockgate(['environment', 'add', 'patterns', 'staging', '--branch', 'release/*']))
    await well(ada.lockgate(['environment', 'set', 'patterns', 'production', '--tags', 'v*']))
    await well(ada.git(folder, 'checkout', '-q', '-b', 'release/1'))
    await ada.commit(folder, page('release one'))
    await well(ada.git(folder, 'tag', '-a', '-m', 'one', 'v1.0'))

    const branch = await well(ada.git(folder, 'push', 'lockgate', 'release/1'))
    const tag = await well(ada.git(folder, 'push', 'lockgate', 'v1.0'))

    expect(branch.all).toContain('live at')
    expect(tag.all).toContain('live at')
    expect(await answer('patterns-staging')).toContain('release one')
    expect(await answer('patterns')).toContain('release one')
    expect((await well(ada.git(folder, 'ls-remote', 'lockgate', 'refs/tags/v1.0'))).stdout.slice(0, 40)).toBe(
      (await well(ada.git(folder, 'rev-parse', 'v1.0'))).stdout.trim(),
    )
  })
})

describe('promotion', () => {
  const made = (extra: string, verify = 'test -f server.js'): Files => ({
    Makefile: `build:\n\tmkdir out\n\tcp server.js Makefile out/\n\t${extra}\n\ttar -czf code.tar.gz -C out .\nrun:\n\texec node server.js\n`,
    'server.js':
      "const s = require('http').createServer((q, r) => r.end('made in ' + process.env.LOCKGATE_ENVIRONMENT)).listen(process.env.PORT); process.on('SIGTERM', () => s.close(() => process.exit(0)))\n",
    'lockgate.yaml': `verify: ${verify}\n`,
  })
  const staged = async (app: string, files: Files): Promise<void> => {
    const folder = await ada.repository(app, { files })
    await well(ada.lockgate(['create', app], { cwd: folder }))
    await well(ada.lockgate(['environment', 'add', app, 'staging']))
    await well(ada.git(folder, 'push', 'lockgate', 'main:staging'))
  }
  const images = async (app: string) =>
    Promise.all(['staging', 'production'].map(async (name) => (await lockgate.call(endpoints.listReleases, here(app, name)))[0]?.digest))

  test('moves the same image on, without a build, with the configuration of where it goes', async () => {
    await staged('moving', made('true'))

    await well(ada.lockgate(['promote', 'staging', 'production', 'moving']))

    const [staging, production] = await images('moving')
    expect(production).toBe(staging)
    expect(await answer('moving')).toBe('made in production')
    expect(await builds('moving')).toEqual([])
  })

  test('runs the tests in the image first where that is asked for, and stops when they fail', async () => {
    await staged('testing', made('true', 'test -f nothing'))
    await well(ada.lockgate(['environment', 'set', 'testing', 'production', '--verify', 'test']))

    const said = await ada.lockgate(['promote', 'staging', 'production', 'testing'])

    expect(said.all).toContain('"test -f nothing" exited with 1 in the finished image')
    expect(said.status).toBe(1)
    expect(await images('testing')).toEqual([expect.stringContaining('sha256:'), undefined])
  })

  test('builds again and compares where that is asked for: what comes out the same goes on, what differs does not', async () => {
    await staged('steady', made('true'))
    await staged('unsteady', made('head -c 20 /dev/urandom > out/random'))
    for (const app of ['steady', 'unsteady']) await well(ada.lockgate(['environment', 'set', app, 'production', '--verify', 'rebuild']))

    const good = await ada.lockgate(['promote', 'staging', 'production', 'steady'])
    const bad = await ada.lockgate(['promote', 'staging', 'production', 'unsteady'])

    expect(good.all).toContain('came out the same again')
    const [staging, production] = await images('steady')
    expect(production).toBe(staging)
    expect(bad.all).toContain('other files came out')
    expect(bad.status).toBe(1)
    expect((await builds('unsteady'))[0]).toMatchObject({ purpose: 'compare', cause: 'differs' })
  })

  test('of nothing is refused', async () => {
    await create('nothing')
    await well(ada.lockgate(['environment', 'add', 'nothing', 'staging']))

    const said = await ada.lockgate(['promote', 'staging', 'production', 'nothing'])

    expect(said.all).toContain('[promotion.nothing_there]')
  })
})

describe('another git server', () => {
  test('is looked at in intervals; what is new on the branch is built and deployed, and the branch moves', async () => {
    await create('fetched')
    await host.commit('fetched', page('first'))

    const said = await well(ada.lockgate(['source', 'set', 'fetched', host.url('fetched'), '--every', '10']))
    await shows('fetched', 'first')
    const next = await host.commit('fetched', page('second'))
    await well(ada.lockgate(['source', 'check', 'fetched']))
    await shows('fetched', 'second')

    expect(said.stdout).toContain(`fetched is fetched from ${host.url('fetched')}`)
    expect((await builds('fetched'))[0]).toMatchObject({ actor: { kind: 'platform', name: 'lockgate' }, commit: next, ref: 'refs/heads/main' })
    await until('the branch moves', async () =>
      (await ada.git(ada.home, 'ls-remote', `http://x:${lockgate.token}@${lockgate.apiUrl.slice(7)}/git/fetched.git`, 'main')).stdout.startsWith(next),
    )
  })

  test('is asked with the sealed token, and a wrong one is refused when it is set', async () => {
    await create('private')
    await host.commit('private', page('not for all'))
    host.protect({ user: 'grace', password: 'token-of-grace' })
    try {
      const wrong = await ada.lockgate(['source', 'set', 'private', host.url('private'), '--token', '--username', 'grace'], { input: 'token-of-nobody' })
      const right = await ada.lockgate(['source', 'set', 'private', host.url('private'), '--token', '--username', 'grace'], { input: 'token-of-grace' })
      await shows('private', 'not for all')

      expect(wrong.all).toContain('[source.not_allowed]')
      expect(right.status).toBe(0)
      expect((await ada.lockgate(['source', 'show', 'private'])).all).not.toContain('token-of-grace')
      expect(lockgate.log()).not.toContain('token-of-grace')
    } finally {
      host.protect(null)
    }
  })

  test('that answers with a redirect is not followed', async () => {
    await create('redirected')
    await host.commit('redirected', page('x'))
    host.redirect('http://127.0.0.1:1')
    const said = await ada.lockgate(['source', 'set', 'redirected', host.url('redirected')])
    host.redirect(null)

    expect(said.all).toMatch(/\[source\.(redirected|unreachable)\]/)
    expect(said.status).not.toBe(0)
  })

  test('that goes away is told by show, asked less and less often, and builds go on when it is back', async () => {
    await create('away')
    await host.commit('away', page('far off'))
    await well(ada.lockgate(['source', 'set', 'away', host.url('away'), '--every', '10']))
    await shows('away', 'far off')
    host.protect({ user: 'nobody', password: 'nobody' })
    const gone = await ada.lockgate(['source', 'check', 'away'])
    host.protect(null)
    await host.commit('away', page('back'))
    const back = await ada.lockgate(['source', 'check', 'away'])

    expect(gone.all).toContain('asks for a credential')
    expect(gone.status).toBe(1)
    expect(back.status).toBe(0)
    await shows('away', 'back')
  })

  test('over ssh: the host key is shown, named once and pinned; a key made here lets us in; a changed host key stops everything', async () => {
    await create('over-ssh')
    await host.commit('over-ssh', page('over ssh'))
    const url = ssh.url(host.path('over-ssh'))

    const unnamed = await ada.lockgate(['source', 'set', 'over-ssh', url, '--new-key'])
    const fingerprint = /SHA256:[A-Za-z0-9+/]{43}/.exec(unnamed.all)?.[0] ?? ''
    const named = await well(ada.lockgate(['source', 'set', 'over-ssh', url, '--new-key', '--host-key', fingerprint]))
    await ssh.allow(/ssh-ed25519 \S+/.exec(named.stdout)?.[0] ?? '')
    await well(ada.lockgate(['source', 'check', 'over-ssh']))
    await shows('over-ssh', 'over ssh')
    await ssh.renewHostKey()
    const changed = await ada.lockgate(['source', 'check', 'over-ssh'])

    expect(unnamed.all).toContain('[source.host_key_unconfirmed]')
    expect(changed.all).toContain('is not the one that was pinned: nothing was fetched')
    expect(changed.status).toBe(1)
  })
})

describe('submodules and LFS', () => {
  test('submodules are fetched, in any depth, and are part of what is built', async () => {
    await host.commit('inner', { 'inner.html': 'inner' })
    await host.commit('outer', { 'outer.html': 'outer' })
    await host.git('outer', '-c', 'protocol.file.allow=always', 'submodule', 'add', '--quiet', host.url('inner'), 'deep')
    await host.commit('outer', {})
    await host.commit('whole', page('all of it'))
    await host.git('whole', '-c', 'protocol.file.allow=always', 'submodule', 'add', '--quiet', '../outer.git', 'parts')
    await host.commit('whole', {})
    await create('whole')

    await well(ada.lockgate(['source', 'set', 'whole', host.url('whole')]))
    await shows('whole', 'all of it')

    const status = async (path: string) => (await ask(lockgate.edge.config.httpPort, 'whole.localhost', { path })).body
    expect(await status('/parts/outer.html')).toBe('outer')
    expect(await status('/parts/deep/inner.html')).toBe('inner')
  })

  test.each([
    ['file:///etc', 'file is not https or ssh'],
    ['ext::sh -c touch% /tmp/pwned', 'it is too long or holds spaces'],
    ['../elsewhere.git', 'is relative'],
    ['http://169.254.169.254/latest.git', 'an address of an inner network'],
  ])('a submodule at %s is refused', async (url, reason) => {
    const name = `module-${url.replace(/[^a-z0-9]/g, '').slice(0, 12)}`
    const folder = await ada.repository(name, { files: { ...page('x'), '.gitmodules': `[submodule "m"]\n\tpath = m\n\turl = ${url}\n` } })
    await well(ada.git(folder, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},m`))
    await well(ada.git(folder, 'commit', '-q', '-m', 'module'))
    await well(ada.lockgate(['create', name], { cwd: folder }))

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.all).toContain('The submodule m cannot be fetched')
    expect(said.all).toContain(reason)
    expect(said.status).toBe(1)
  })

  test('pointers of Git LFS in place of files are refused with the way out', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`
    const folder = await ada.repository('lfs', { files: { ...page('x'), '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n', 'big.bin': pointer } })
    await well(ada.lockgate(['create', 'lfs'], { cwd: folder }))

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.all).toContain('This file is kept with Git LFS')
    expect(said.all).toContain('big.bin')
    expect(said.status).toBe(1)
  })
})
