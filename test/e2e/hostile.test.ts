// What somebody who means harm, or does not know better, may send: none gets through, none ends the server, each gets its code.
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { ask } from '../support/edge.ts'
import { DOCKERFILES, IMAGES, KEPT_REFS, MAKEFILES, MANIFESTS, REFS, SUBMODULES, URLS } from '../support/hostile.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Files, type Person, well } from '../support/person.ts'

let lockgate: Installation
let ada: Person
/** Something inner that must never be asked. */
let inner: Server
const innerRequests: string[] = []
let redirecting: Server
let pid = 0

beforeAll(async () => {
  inner = createServer((request, response) => {
    innerRequests.push(request.url ?? '')
    response.end('inner')
  })
  await new Promise<void>((resolve) => inner.listen(0, '127.0.0.1', resolve))
  redirecting = createServer((request, response) => void response.writeHead(302, { location: `http://127.0.0.1:${portOf(inner)}${request.url}` }).end())
  await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.2', resolve))
  // Of the inner networks only the redirecting server's address may be fetched from.
  lockgate = await anInstallation({ range: '10.225.0.0/16', settings: { sources: { allowNetworks: ['127.0.0.2/32'], allowHttp: true } } })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  pid = lockgate.pid()
  await well(ada.lockgate(['create', 'target']))
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
  inner?.close()
  redirecting?.close()
})
afterEach(async () => {
  expect(lockgate.pid()).toBe(pid)
  expect(await lockgate.call(endpoints.health, {})).toMatchObject({ status: 'ok' })
  expect(innerRequests).toEqual([])
  expect(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024).toBeLessThan(400)
  expect(lockgate.log()).not.toMatch(/unhandled|uncaught|RangeError|out of memory/i)
})

const portOf = (server: Server): number => (server.address() as { port: number }).port
const here = (app: string) => ({ params: { app, environment: 'production' } as never })

async function sent(body: Uint8Array): Promise<{ readonly status: number; readonly code: string }> {
  const response = await fetch(`${lockgate.apiUrl}/v1/apps/target/environments/production/uploads`, {
    method: 'POST',
    headers: { authorization: `Bearer ${lockgate.token}`, 'content-type': 'application/gzip' },
    body: body as Uint8Array<ArrayBuffer>,
  })
  return { status: response.status, code: ((await response.json()) as { code?: string }).code ?? '' }
}

type Header = Parameters<ReturnType<typeof pack>['entry']>[0]

async function anArchive(...entries: readonly (Header & { readonly text?: string | Uint8Array })[]): Promise<Buffer> {
  const tar = pack()
  const chunks: Buffer[] = []
  for (const { text, ...header } of entries) tar.entry(header, text === undefined ? '' : Buffer.from(text))
  tar.finalize()
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return gzipSync(Buffer.concat(chunks))
}

/** A header of a file that claims to be longer than what follows, with its sum right. */
function claiming(size: string, type = '0'): Buffer {
  const block = Buffer.alloc(512)
  block.write('index.html', 0)
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${size}\0`, 124)
  block.write('00000000000\0', 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write('ustar\u000000', 257)
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return block
}

describe('archives', () => {
  const index = { name: 'index.html', text: 'x' }
  const many = Array.from({ length: 100_001 }, (_, at) => ({ name: `f/${at}`, text: '' }))
  const ARCHIVES: Readonly<Record<string, () => Promise<Uint8Array> | Uint8Array>> = {
    'no gzip': () => Buffer.from('hello'),
    nothing: () => Buffer.alloc(0),
    'gzip of nothing': () => gzipSync(''),
    'gzip of no tar': () => gzipSync('x'.repeat(5_000)),
    'gzip that breaks off': async () => (await anArchive({ ...index, text: 'x'.repeat(50_000) })).subarray(0, 60),
    'gzip that is damaged': async () => {
      const bytes = await anArchive({ ...index, text: 'y'.repeat(50_000) })
      bytes[20] = (bytes[20] ?? 0) ^ 0xff
      return bytes
    },
    'tar that breaks off': () => gzipSync(claiming('00000100000')),
    'a path that climbs': () => anArchive({ name: '../../etc/cron.d/x', text: 'x' }),
    'a path that climbs in the middle': () => anArchive({ name: 'a/../../x', text: 'x' }),
    'an absolute path': () => anArchive({ name: '/etc/passwd', text: 'x' }),
    'a path with a NUL': () => anArchive({ name: 'a\0b', text: 'x', pax: { path: 'a\0b' } }),
    'a path of 5,000 letters': () => anArchive({ name: 'a', text: 'x', pax: { path: 'a'.repeat(5_000) } }),
    'a link that leads out': () => anArchive({ name: 'x', type: 'symlink', linkname: '/etc/passwd' }),
    'a link that climbs': () => anArchive({ name: 'a/x', type: 'symlink', linkname: '../../x' }),
    'a link to nothing': () => anArchive({ name: 'x', type: 'symlink', linkname: '' }),
    'a file below a link': () => anArchive({ name: 'd', type: 'symlink', linkname: '.' }, { name: 'd/x', text: 'x' }),
    'a hard link that leads out': () => anArchive({ name: 'x', type: 'link', linkname: '/etc/passwd' }),
    'a hard link to itself': () => anArchive({ name: 'x', type: 'link', linkname: 'x' }),
    'a hard link inside': () => anArchive(index, { name: 'x', type: 'link', linkname: 'index.html' }),
    'a device': () => anArchive({ name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }),
    'a character device': () => anArchive({ name: 'tty', type: 'character-device', devmajor: 5, devminor: 0 }),
    'a pipe': () => anArchive({ name: 'fifo', type: 'fifo' }),
    'the same file twice': () => anArchive(index, index),
    'a file that is a folder': () => anArchive({ name: 'a', text: 'x' }, { name: 'a/b', text: 'x' }),
    'a folder of git': () => anArchive({ name: '.git/config', text: '[core]\n\tfsmonitor = touch /tmp/pwned\n' }),
    'a folder of git in capitals': () => anArchive({ name: 'sub/.GIT/config', text: 'x' }),
    'a folder of git as Windows writes it': () => anArchive({ name: 'git~1/config', text: 'x' }),
    'a folder of git with a dot after it': () => anArchive({ name: '.git./config', text: 'x' }),
    'a size that is no number': () => gzipSync(claiming('zzzzzzzzzzz')),
    'a size below nothing': () => gzipSync(claiming('-0000000001')),
    'a size of 8 GB': () => gzipSync(claiming('77777777777')),
    'an extended header of 2 GB': () => gzipSync(claiming('17777777777', 'x')),
    'a size in an extended header': () => anArchive({ name: 'a', text: 'x', pax: { size: '99999999' } }),
    'more files than a folder has': () => anArchive(...many),
    'a bomb of 2 GB': () => gzipSync(Buffer.concat([claiming('20000000000'), Buffer.alloc(64 * 1024 * 1024)])),
    'bombs in a bomb': () => gzipSync(gzipSync(Buffer.alloc(32 * 1024 * 1024))),
    'only what is left out': () => anArchive({ name: 'empty/', type: 'directory' }),
  }

  test.each(Object.keys(ARCHIVES))('%s is refused', async (name) => {
    const bytes = (await ARCHIVES[name]?.()) ?? Buffer.alloc(0)

    const { status, code } = await sent(bytes)

    expect({ status, code }).toEqual({ status: 422, code: expect.stringMatching(/^(archive\.refused|upload\.empty|request\.invalid)$/) })
    expect(await lockgate.call(endpoints.listBuilds, here('target'))).toEqual([])
  })

  test('an upload that breaks off leaves nothing', async () => {
    const stop = new AbortController()
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        stream.enqueue(gzipSync(claiming('00077777777')).subarray(0, 20))
        setTimeout(() => stop.abort(), 200)
      },
    })
    await fetch(`${lockgate.apiUrl}/v1/apps/target/environments/production/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${lockgate.token}`, 'content-type': 'application/gzip' },
      body,
      duplex: 'half',
      signal: stop.signal,
    } as RequestInit).catch(() => null)

    expect(await lockgate.call(endpoints.listBuilds, here('target'))).toEqual([])
    expect((await readdir(`${lockgate.directory}/data/git`)).filter((name) => name.includes('.tmp'))).toEqual([])
  })
})

describe('URLs of sources', () => {
  test.each(URLS)('%s is refused', async (url, code) => {
    const said = await ada.lockgate(['source', 'set', 'target', url])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(code)
  })

  test.each([
    ['an inner network', () => `http://127.0.0.1:${portOf(inner)}/x.git`, /\[address\.not_allowed\]/],
    ['an inner network by name', () => `http://localhost:${portOf(inner)}/x.git`, /\[address\.not_allowed\]/],
    ['an inner network by a number', () => `http://2130706433:${portOf(inner)}/x.git`, /\[(address|source)\./],
    ['an inner network in hexadecimal', () => `http://0x7f000001:${portOf(inner)}/x.git`, /\[(address|source)\./],
    ['an inner network in IPv6', () => `http://[::ffff:127.0.0.1]:${portOf(inner)}/x.git`, /\[(address|source)\./],
    ['the server itself', () => `${lockgate.apiUrl}/git/target.git`, /\[address\.not_allowed\]/],
    ['the cloud metadata', () => 'http://169.254.169.254/latest/meta-data.git', /\[address\.not_allowed\]/],
    ['a redirect to an inner network', () => `http://127.0.0.2:${portOf(redirecting)}/x.git`, /\[source\.(redirected|unreachable)\]/],
  ])('%s is not asked', async (_name, url, code) => {
    const said = await ada.lockgate(['source', 'set', 'target', url()])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(code)
  })
})

/** A repository with an app of its name; `lockgate` is its remote. */
let made = 0
async function anApp(files: Files): Promise<{ readonly app: string; readonly folder: string }> {
  const app = `hostile-${++made}`
  const folder = await ada.repository(app, { files })
  await well(ada.lockgate(['create', app], { cwd: folder }))
  return { app, folder }
}

describe('refs', () => {
  let folder = ''
  beforeAll(async () => {
    folder = (await anApp({ 'index.html': 'x' })).folder
  })

  test.each(REFS)('a push to %s is refused', async (ref) => {
    const said = await ada.git(folder, 'push', 'lockgate', `HEAD:${ref}`)

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(/rejected|invalid|not a valid|not a full refname|only branches and tags|failed to push/)
  })

  test.each(KEPT_REFS)('a push to %s is kept, and steers nothing', async (ref) => {
    const said = await ada.git(folder, 'push', 'lockgate', `HEAD:${ref}`)

    expect(said.status, said.all).toBe(0)
    // Its own summary is git's: what we say steers nothing.
    expect(
      said.all
        .split('\n')
        .filter((line) => line.startsWith('remote:'))
        .join(),
    ).not.toContain('\u009b')
    expect((await well(ada.git(folder, 'ls-remote', 'lockgate'))).stdout.split('\n').some((line) => line.endsWith(`\t${ref}`))).toBe(true)
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
    const said = await ada.lockgate(['deploy', 'target', `--ref=${ref}`])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(/\[(ref\.(invalid|not_found)|request\.invalid)\]/)
  })
})

describe('images', () => {
  test.each(IMAGES)('deploying the image %j is refused', async (image, reason) => {
    const said = await ada.lockgate(['deploy', 'target', `--image=${image}`])

    expect(said.status).not.toBe(0)
    expect(said.all).toMatch(reason)
  })
})

describe('submodules', () => {
  test.each(SUBMODULES)('at %j is refused', async (url, reason) => {
    const { folder } = await anApp({ 'index.html': 'x', '.gitmodules': `[submodule "m"]\n\tpath = m\n\turl = ${JSON.stringify(url)}\n` })
    await well(ada.git(folder, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},m`))
    await well(ada.git(folder, 'commit', '-q', '-m', 'module'))

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
  })
})

describe('what is in a repository', () => {
  test.each(MANIFESTS)('lockgate.yaml with %s is refused', async (_name, text, reason) => {
    const { folder } = await anApp({ 'index.html': 'x', 'lockgate.yaml': text })

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
  })

  test.each(MAKEFILES)('a Makefile that leaves %s is refused', async (_name, recipe, reason) => {
    const { app, folder } = await anApp({ Makefile: `build:\n\t${recipe}\n\t@# code.tar.gz\nrun:\n\ttrue\n` })

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
    expect(await lockgate.call(endpoints.listReleases, here(app))).toEqual([])
  })

  test.each(DOCKERFILES)('a Dockerfile that %s is refused', async (_name, text, reason) => {
    const { app, folder } = await anApp({ Dockerfile: text })

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(1)
    expect(said.all).toMatch(reason)
    expect(await lockgate.call(endpoints.listReleases, here(app))).toEqual([])
  })

  test.each(['lockgate.yaml', 'Makefile', 'package.json', 'Procfile', 'go.mod', 'requirements.txt', 'composer.json', 'Dockerfile', '.gitattributes'])(
    'a %s of 100 MB does not bring the server down',
    async (name) => {
      const { folder } = await anApp({ 'index.html': 'x', [name]: Buffer.alloc(100 * 1024 * 1024, '# filter=lfs \n') })

      const said = await ada.git(folder, 'push', 'lockgate', 'main')

      // What nobody can read says nothing: the rest decides. What has to be read is refused.
      expect(said.all).toMatch(/larger than|does not say|live at|not_understood|refused|build failed/)
    },
  )

  test('escapes for terminals in a log, a name and a message steer nobody', async () => {
    const evil = '\u001b]0;owned\u0007\u001b[2J\u001b[31mred\u001b[0m\u001b]52;c;Zm9v\u0007\u0090x\u009c\u001bP1$q\u001b\\'
    const { folder } = await anApp({
      Makefile: `build:\n\t@printf '%b' '${evil.replaceAll('\u001b', '\\033').replaceAll('\u0007', '\\007')}\\n'; exit 3\n\t@# code.tar.gz\nrun:\n\ttrue\n`,
    })

    const said = await ada.git(folder, 'push', 'lockgate', 'main')
    const shown = await ada.lockgate(['builds', '--all'])

    for (const text of [said.all, shown.all]) {
      expect(text).not.toContain('\u001b]')
      expect(text).not.toContain('\u001b[2J')
      expect(text).not.toContain('\u0007')
    }
    expect(said.all).toContain('red')
  })

  test('a file whose name is a program for a terminal or a shell is a file', async () => {
    const { app, folder } = await anApp({ 'index.html': 'served', '$(touch pwned)': 'x', '-rf': 'x', 'a b;c|d': 'x', '\u001b[2J': 'x' })

    const said = await ada.git(folder, 'push', 'lockgate', 'main')

    expect(said.status).toBe(0)
    expect((await ask(lockgate.edge.config.httpPort, `${app}.localhost`)).body).toBe('served')
  })
})
