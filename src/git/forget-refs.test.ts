import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createGzip } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Code, someCode } from '../../test/support/code.ts'
import { run } from '../lib/run.ts'
import { tarStream } from '../lib/tar.ts'

const DAY_MS = 86_400_000

/** A commit of some text and age, under a ref of its own. */
async function uploaded({ git, app }: Code, text: string, daysAgo: number): Promise<{ readonly ref: string; readonly commitId: string }> {
  const archive = tarStream(async (tar) => void tar.entry({ name: 'a.txt' }, text)).pipe(createGzip())
  return git.upload(app.name, archive, { author: 'ada', at: Date.now() - daysAgo * DAY_MS })
}

async function refsOf({ git, app }: Code): Promise<string[]> {
  const { stdout } = await run('git', ['for-each-ref', '--format=%(refname)'], { cwd: git.pathOf(app.name) })
  return stdout.split('\n').filter((ref) => ref !== '')
}

test('refs of commits nobody keeps go after a day; branches, kept ones and young ones stay', async () => {
  const code = await someCode()
  const { git, app } = code
  const old = await uploaded(code, 'old', 2)
  const kept = await uploaded(code, 'kept', 2)
  const young = await uploaded(code, 'young', 0)
  await git.setRef(app.name, 'refs/heads/main', old.commitId)
  await git.setRef(app.name, 'refs/lockgate/pushes/1', old.commitId)
  await git.keepOnly(app.name, async () => new Set([kept.commitId]))
  expect(await refsOf(code)).toEqual(['refs/heads/main', ...[kept.ref, young.ref].toSorted()])
  expect(await git.commitOf(app.name, old.commitId)).toBe(old.commitId)
})

test('an annotated tag stays with the commit it names', async () => {
  const code = await someCode()
  const { git, app } = code
  const { commitId } = await uploaded(code, 'tagged', 2)
  const env = { GIT_COMMITTER_NAME: 'ada', GIT_COMMITTER_EMAIL: 'ada@example.net', GIT_COMMITTER_DATE: '2020-01-01T00:00:00Z' }
  await run('git', ['tag', '-a', '-m', 'v1', 'v1', commitId], { cwd: git.pathOf(app.name), env })
  const tag = (await run('git', ['rev-parse', 'v1'], { cwd: git.pathOf(app.name) })).stdout.trim()
  await run('git', ['update-ref', 'refs/lockgate/pushes/1', tag], { cwd: git.pathOf(app.name) })
  await git.keepOnly(app.name, async () => new Set([commitId]))
  expect(await refsOf(code)).toContain('refs/lockgate/pushes/1')
})

test('an old commit that is pushed while refs are looked through stays', async () => {
  const code = await someCode()
  const pushed: string[] = []
  const keeping = code.git.keepOnly(code.app.name, async () => {
    pushed.push((await uploaded(code, 'an old commit', 2)).ref)
    return new Set()
  })
  await keeping
  expect(await refsOf(code)).toEqual(pushed)
})

test('what a broken upload left goes after a day', async () => {
  const code = await someCode()
  const packs = join(code.git.pathOf(code.app.name), 'objects', 'pack')
  for (const [name, daysAgo] of [
    ['tmp_pack_old', 2],
    ['tmp_pack_young', 0],
  ] as const) {
    await writeFile(join(packs, name), 'half a pack')
    const at = (Date.now() - daysAgo * DAY_MS) / 1000
    await utimes(join(packs, name), at, at)
  }
  await code.git.keepOnly(code.app.name, async () => new Set())
  expect((await readdir(packs)).filter((name) => name.startsWith('tmp_'))).toEqual(['tmp_pack_young'])
})
