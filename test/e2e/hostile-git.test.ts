// The git server asked for what git would not ask: it answers or ends, keeps nothing of it, and the repository stays whole.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { attacked } from '../support/attacked.ts'
import { GIT_PATHS, GIT_REQUESTS } from '../support/hostile-git.ts'
import { well } from '../support/person.ts'
import { sendRaw } from '../support/raw-http.ts'

const { lockgate, ada } = attacked('10.227.0.0/16')
const repository = () => join(lockgate().directory, 'data', 'git', 'target.git')
const remoteOf = (app: string) => `${lockgate().apiUrl}/git/${app}.git`
const basic = () => `Basic ${Buffer.from(`ada:${lockgate().token}`).toString('base64')}`

function asked(line: string, headers: readonly string[], body: string | Uint8Array = ''): Promise<string> {
  const lines = [line, `Host: ${new URL(lockgate().apiUrl).host}`, `Authorization: ${basic()}`, ...headers, 'Connection: close']
  return sendRaw(lockgate().apiUrl, Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body as string)]))
}

beforeAll(async () => {
  await asked('GET /git/target.git/info/refs?service=git-upload-pack HTTP/1.1', [])
})

test.each(GIT_REQUESTS)('$service with $name', async ({ service, body, headers = [], answer }) => {
  const said = await asked(`POST /git/target.git/${service} HTTP/1.1`, [...headers, `Content-Length: ${Buffer.from(body as string).length}`], body)

  expect(said.slice(0, 2_000)).toMatch(answer)
  expect(await lockgate().call(endpoints.listAllBuilds, { query: {} })).toEqual([])
  // Nothing is left of it: no ref, no temporary file, no end of a history.
  expect((await well(ada().git(repository(), 'for-each-ref'))).stdout).toBe('')
  expect((await readdir(repository())).filter((name) => /tmp|lock$|^shallow$/.test(name))).toEqual([])
})

test.each(GIT_PATHS)('%s is answered %d', async (path, status) => {
  expect(await asked(`GET ${path} HTTP/1.1`, [])).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
})

test('a push out of a shallow clone of ours cuts the history of nobody', async () => {
  const origin = await ada().repository('whole', { files: { 'index.html': 'one' } })
  for (const text of ['two', 'three']) await ada().commit(origin, { 'index.html': text })
  await well(ada().lockgate(['create', 'whole'], { cwd: origin }))
  await well(ada().git(origin, 'push', '--quiet', 'lockgate', 'HEAD:refs/heads/kept'))
  const config = ['-c', `http.extraHeader=Authorization: ${basic()}`]
  await well(ada().git(ada().home, ...config, 'clone', '--quiet', '--depth=1', '--branch=kept', remoteOf('whole'), 'cut'))
  const cut = join(ada().home, 'cut')
  await ada().commit(cut, { 'index.html': 'four' })

  await well(ada().git(cut, ...config, 'push', '--quiet', 'origin', 'kept'))
  await well(ada().git(ada().home, ...config, 'clone', '--quiet', '--branch=kept', remoteOf('whole'), 'again'))

  expect((await well(ada().git(join(ada().home, 'again'), 'rev-list', '--count', 'HEAD'))).stdout.trim()).toBe('4')
})

test('a shallow clone of elsewhere says where its history ends, once', async () => {
  const origin = await ada().repository('deep', { files: { 'index.html': 'one' } })
  for (const text of ['two', 'three']) await ada().commit(origin, { 'index.html': text })
  await well(ada().git(ada().home, 'clone', '--quiet', '--depth=1', `file://${origin}`, 'shallow'))
  const folder = join(ada().home, 'shallow')
  await well(ada().lockgate(['create', 'shallow'], { cwd: folder }))

  for (const text of ['four', 'five']) {
    await ada().commit(folder, { 'index.html': text })
    await well(ada().git(folder, 'push', '--quiet', 'lockgate', 'HEAD:refs/heads/kept'))
  }

  const ends = await readFile(join(lockgate().directory, 'data', 'git', 'shallow.git', 'shallow'), 'utf8')
  expect(ends).toBe(`${(await well(ada().git(origin, 'rev-parse', 'HEAD'))).stdout.trim()}\n`)
})
