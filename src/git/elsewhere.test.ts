import { expect, test } from 'vitest'
import { anotherHost, type Code, someCode } from '../../test/support/code.ts'
import { ADA } from '../../test/support/core.ts'
import type { GitHost } from '../../test/support/git-host.ts'
import { lookAt } from '../core/source/poll.ts'
import { setSource } from '../core/source/set.ts'

const GRACE = { user: 'grace', password: 'grace-s-token' }

/** An app whose code is fetched with a token, from a host that also holds a private repository `lib`, its submodule. */
async function withSubmodule(
  submodules: (host: GitHost) => readonly string[],
): Promise<{ readonly code: Code; readonly host: GitHost; readonly open: () => Promise<unknown> }> {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('lib', { 'secret.txt': 'of another team' })
  await host.commit('shop', { 'index.html': 'hello' })
  await host.git('shop', '-c', 'protocol.file.allow=always', 'submodule', 'add', '--quiet', host.path('lib'), 'lib')
  const commitId = await host.commit('shop', { '.gitmodules': `[submodule "lib"]\n\tpath = lib\n\turl = ${host.url('lib')}\n` })
  host.protect(GRACE)
  const { source } = await setSource(code, code.git, {
    ...{ actor: ADA, app: code.app, url: host.url('shop'), username: GRACE.user, fingerprint: null, everyMs: 60_000 },
    credential: { kind: 'token', secret: GRACE.password },
    submodules: submodules(host),
  })
  await lookAt(code, code.git, { app: code.app, source })
  return { code, host, open: () => code.git.open({ app: code.app.name, commitId, root: '' }) }
}

test('a submodule that somebody pushed does not get the credential of the source, though it is on the same host', async () => {
  const { open, host } = await withSubmodule(() => [])

  await expect(open()).rejects.toMatchObject({
    message: expect.stringContaining(
      `The credential of the source was not used for it: a releaser allows that with "lockgate source set shop … --submodule ${host.url('lib')}"`,
    ),
  })
})

test('one that the owner of the credential named is fetched with it, with and without .git', async () => {
  const { open } = await withSubmodule((host) => [host.url('lib').replace(/\.git$/, '')])

  expect(await open()).toMatchObject({ files: ['.gitmodules', 'index.html', 'lib/secret.txt'] })
})

test('naming another repository, another host or a folder above it allows nothing', async () => {
  const { open } = await withSubmodule((host) => [
    host.url('other'),
    host.url('lib').replace('127.0.0.1', '127.0.0.2'),
    host.url('lib').replace('/lib.git', '/team'),
  ])

  await expect(open()).rejects.toMatchObject({ message: expect.stringContaining('was not used for it') })
})

test('one that is public needs no credential, and gets none', async () => {
  const { open, host } = await withSubmodule(() => [])
  host.protect(null)

  expect(await open()).toMatchObject({ files: ['.gitmodules', 'index.html', 'lib/secret.txt'] })
})
