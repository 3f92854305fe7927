// What somebody who means harm, or does not know better, may send: none gets through, none ends the server, each gets its code.
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { attacked, portOf, productionOf } from '../support/attacked.ts'
import { ask } from '../support/edge.ts'
import { DOCKERFILES, IMAGES, KEPT_REFS, MAKEFILES, MANIFESTS, REFS, SUBMODULES, URLS } from '../support/hostile.ts'
import { well } from '../support/person.ts'

let redirecting: Server
// Of the inner networks only the redirecting server's address may be fetched from.
const { lockgate, ada, inner, anApp } = attacked('10.225.0.0/16', { sources: { allowNetworks: ['127.0.0.2/32'], allowHttp: true } })

beforeAll(async () => {
  redirecting = createServer((request, response) => void response.writeHead(302, { location: `http://127.0.0.1:${portOf(inner())}${request.url}` }).end())
  await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.2', resolve))
})
afterAll(() => void redirecting?.close())

describe('URLs of sources', () => {
  test.each(URLS)('%s is refused', async (url, code) => {
    const said = await ada().lockgate(['source', 'set', 'target', url])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(code)
  })

  test.each([
    ['an inner network', () => `http://127.0.0.1:${portOf(inner())}/x.git`, /\[address\.not_allowed\]/],
    ['an inner network by name', () => `http://localhost:${portOf(inner())}/x.git`, /\[address\.not_allowed\]/],
    ['an inner network by a number', () => `http://2130706433:${portOf(inner())}/x.git`, /\[(address|source)\./],
    ['an inner network in hexadecimal', () => `http://0x7f000001:${portOf(inner())}/x.git`, /\[(address|source)\./],
    ['an inner network in IPv6', () => `http://[::ffff:127.0.0.1]:${portOf(inner())}/x.git`, /\[(address|source)\./],
    ['the server itself', () => `${lockgate().apiUrl}/git/target.git`, /\[address\.not_allowed\]/],
    ['the cloud metadata', () => 'http://169.254.169.254/latest/meta-data.git', /\[address\.not_allowed\]/],
    ['a redirect to an inner network', () => `http://127.0.0.2:${portOf(redirecting)}/x.git`, /\[source\.(redirected|unreachable)\]/],
  ])('%s is not asked', async (_name, url, code) => {
    const said = await ada().lockgate(['source', 'set', 'target', url()])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(code)
  })
})

describe('refs', () => {
  let folder = ''
  beforeAll(async () => {
    folder = (await anApp({ 'index.html': 'x' })).folder
  })

  test.each(REFS)('a push to %s is refused', async (ref) => {
    const said = await ada().git(folder, 'push', 'lockgate', `HEAD:${ref}`)

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(/rejected|invalid|not a valid|not a full refname|only branches and tags|failed to push/)
  })

  test.each(KEPT_REFS)('a push to %s is kept, and steers nothing', async (ref) => {
    const said = await ada().git(folder, 'push', 'lockgate', `HEAD:${ref}`)

    expect(said.status, said.all).toBe(0)
    // Its own summary is git's: what we say steers nothing.
    expect(
      said.all
        .split('\n')
        .filter((line) => line.startsWith('remote:'))
        .join(),
    ).not.toMatch(/[\u009b\u202e]/)
    expect((await well(ada().git(folder, 'ls-remote', 'lockgate'))).stdout.split('\n').some((line) => line.endsWith(`\t${ref}`))).toBe(true)
  })

  test.each([
    '--upload-pack=touch /tmp/pwned',
    '-x',
    'main..other',
    '@{-1}',
    'main^{/x}',
    ':/x',
    'a b',
    'x'.repeat(300),
    '../main',
    'refs/lockgate/../x',
    '$(id)',
    'main\nother',
  ])('deploying the ref %j is refused', async (ref) => {
    const said = await ada().lockgate(['deploy', 'target', `--ref=${ref}`])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(/\[(ref\.(invalid|not_found)|request\.invalid)\]/)
  })
})

describe('images', () => {
  test.each(IMAGES)('deploying the image %j is refused', async (image, reason) => {
    const said = await ada().lockgate(['deploy', 'target', `--image=${image}`])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(reason)
  })
})

describe('submodules', () => {
  test.each(SUBMODULES)('at %j is refused', async (url, reason) => {
    const { folder } = await anApp({ 'index.html': 'x', '.gitmodules': `[submodule "m"]\n\tpath = m\n\turl = ${JSON.stringify(url)}\n` })
    await well(ada().git(folder, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},m`))
    await well(ada().git(folder, 'commit', '-q', '-m', 'module'))

    const said = await ada().git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
  })
})

describe('what is in a repository', () => {
  test.each(MANIFESTS)('lockgate.yaml with %s is refused', async (_name, text, reason) => {
    const { folder } = await anApp({ 'index.html': 'x', 'lockgate.yaml': text })

    const said = await ada().git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
  })

  test.each(MAKEFILES)('a Makefile that leaves %s is refused', async (_name, recipe, reason) => {
    const { app, folder } = await anApp({ Makefile: `build:\n\t${recipe}\n\t@# code.tar.gz\nrun:\n\ttrue\n` })

    const said = await ada().git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
    expect(await lockgate().call(endpoints.listReleases, productionOf(app))).toEqual([])
  })

  test.each(DOCKERFILES)('a Dockerfile that %s is refused', async (_name, text, reason) => {
    const { app, folder } = await anApp({ Dockerfile: text })

    const said = await ada().git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
    expect(await lockgate().call(endpoints.listReleases, productionOf(app))).toEqual([])
  })

  test.each(['lockgate.yaml', 'Makefile', 'package.json', 'Procfile', 'go.mod', 'requirements.txt', 'composer.json', 'Dockerfile', '.gitattributes'])(
    'a %s of 100 MB does not bring the server down',
    async (name) => {
      const { folder } = await anApp({ 'index.html': 'x', [name]: Buffer.alloc(100 * 1024 * 1024, '# filter=lfs \n') })

      const said = await ada().git(folder, 'push', 'lockgate', 'main')

      // What nobody can read says nothing: the rest decides. What has to be read is refused.
      expect(said.all).toMatch(/larger than|does not say|live at|not_understood|refused|build failed/)
    },
  )

  test('escapes for terminals in a log, a name and a message steer nobody', async () => {
    const evil = '\u001b]0;owned\u0007\u001b[2J\u001b[31mred\u001b[0m\u001b]52;c;Zm9v\u0007\u0090x\u009c\u001bP1$q\u001b\\'
    const { folder } = await anApp({
      Makefile: `build:\n\t@printf '%b' '${evil.replaceAll('\u001b', '\\033').replaceAll('\u0007', '\\007')}\\n'; exit 3\n\t@# code.tar.gz\nrun:\n\ttrue\n`,
    })

    const said = await ada().git(folder, 'push', 'lockgate', 'main')
    const shown = await ada().lockgate(['builds', '--all'])

    for (const text of [said.all, shown.all]) {
      expect(text).not.toContain('\u001b]')
      expect(text).not.toContain('\u001b[2J')
      expect(text).not.toContain('\u0007')
    }
    expect(said.all).toContain('red')
  })

  test('a file whose name is a program for a terminal or a shell is a file', async () => {
    const { app, folder } = await anApp({ 'index.html': 'served', '$(touch pwned)': 'x', '-rf': 'x', 'a b;c|d': 'x', '\u001b[2J': 'x' })

    const said = await ada().git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(0)
    expect((await ask(lockgate().edge.config.httpPort, `${app}.localhost`)).body).toBe('served')
  })
})
