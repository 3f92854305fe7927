import { readdir, readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { expect, test } from 'vitest'
import { anotherHost, someCode } from '../../test/support/code.ts'
import { ADA } from '../../test/support/core.ts'
import { until } from '../../test/support/until.ts'
import { lookAt } from '../core/source/poll.ts'
import { setSource } from '../core/source/set.ts'
import { tarStream } from '../lib/tar.ts'

/** Programs of git that this process has started and that have not ended. */
async function gitsRunning(): Promise<string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    const status = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '') : ''
    if (status.includes(`\nPPid:\t${process.pid}\n`) && /^Name:\tgit/.test(status)) found.push(status.split('\n')[2] ?? pid)
  }
  return found
}

/** Reads a little, and leaves. */
async function leave(tar: NodeJS.ReadableStream): Promise<void> {
  for await (const _chunk of tar) break
  if (tar instanceof Readable) tar.destroy()
}

/** The most programs of git that ran at a time while something was done. */
async function mostGits(work: Promise<unknown>): Promise<number> {
  let most = 0
  let isDone = false
  const ended = work.finally(() => {
    isDone = true
  })
  while (!isDone) most = Math.max(most, (await gitsRunning()).length)
  await ended
  return most
}

const LARGE = 'lockgate '.repeat(1_000_000)

test('whoever leaves the files of a commit half-way leaves no git behind', async () => {
  const { git, app } = await someCode()
  const archive = tarStream(async (tar) => void tar.entry({ name: 'large.txt' }, LARGE)).pipe(createGzip())
  const { commitId } = await git.upload(app.name, archive, { author: 'ada', at: 0 })
  await leave((await git.open({ app: app.name, commitId, root: '' })).tar())
  await until('git has ended', async () => (await gitsRunning()).length === 0)
})

test('nor of a commit with submodules', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('lib', { 'large.txt': LARGE })
  await host.commit('shop', { 'index.html': 'hello' })
  await host.git('shop', '-c', 'protocol.file.allow=always', 'submodule', 'add', '--quiet', host.path('lib'), 'lib')
  const modules = `[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n`
  const commitId = await host.commit('shop', { '.gitmodules': modules })
  const asked = { actor: ADA, app: code.app, url: host.url('shop'), username: null, credential: null, fingerprint: null, submodules: [], everyMs: 60_000 }
  const { source } = await setSource(code, code.git, asked)
  await lookAt(code, code.git, { app: code.app, source })
  const tree = await code.git.open({ app: code.app.name, commitId, root: '' })
  expect(tree.files).toEqual(['.gitmodules', 'index.html', 'lib/large.txt'])
  await leave(tree.tar())
  await until('git has ended', async () => (await gitsRunning()).length === 0)
})

test('a commit with attributes in every folder is looked at with few programs at a time', async () => {
  const { git, app } = await someCode()
  const archive = tarStream(async (tar) => {
    for (let at = 0; at < 60; at++) tar.entry({ name: `${at}/.gitattributes` }, `*.${at} binary`)
  }).pipe(createGzip())
  const { commitId } = await git.upload(app.name, archive, { author: 'ada', at: 0 })
  expect(await mostGits(git.open({ app: app.name, commitId, root: '' }))).toBeLessThan(10)
})

test('a pointer of Git LFS is refused, in whatever folder the attributes are', async () => {
  const { git, app } = await someCode()
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`
  const archive = tarStream(async (tar) => {
    tar.entry({ name: 'assets/.gitattributes' }, '*.bin filter=lfs')
    tar.entry({ name: 'assets/a.bin' }, pointer)
  }).pipe(createGzip())
  const { commitId } = await git.upload(app.name, archive, { author: 'ada', at: 0 })
  await expect(git.open({ app: app.name, commitId, root: '' })).rejects.toMatchObject({ code: 'source.lfs_not_there' })
})
