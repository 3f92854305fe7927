import { PassThrough, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { expect, test } from 'vitest'
import { someCode } from '../../test/support/code.ts'
import { run } from '../lib/run.ts'
import { tarStream } from '../lib/tar.ts'
import { keepUpload } from './upload.ts'

type Entry = { readonly name: string; readonly text?: string; readonly link?: string; readonly mode?: number; readonly type?: 'link' }

function archive(...entries: readonly Entry[]): Readable {
  const tar = tarStream(async (target) => {
    for (const { name, text = '', link, mode = 0o644, type = 'symlink' } of entries) {
      if (link === undefined) target.entry({ name, mode }, text)
      else target.entry({ name, type, linkname: link })
    }
  })
  return tar.pipe(createGzip())
}

const BY = { author: 'ada', at: 1_700_000_000_000 }

test('a folder becomes a commit with its programs and links, under a ref of its own', async () => {
  const { git, app } = await someCode()
  const sent = archive({ name: 'a "b"/c\n.txt', text: 'hello' }, { name: 'run', text: '#!/bin/sh\n', mode: 0o755 }, { name: 'same', link: 'run' })
  const { ref, commitId } = await git.upload(app.name, sent, BY)
  expect(ref).toMatch(/^refs\/lockgate\/uploads\/[a-z0-9]+$/)
  expect(await git.commitOf(app.name, ref)).toBe(commitId)
  const { stdout } = await run('git', ['ls-tree', '-r', '-z', commitId], { cwd: git.pathOf(app.name) })
  const entries = stdout.split('\0').flatMap((line) => (line === '' ? [] : [line.replace(/ blob [0-9a-f]+\t/, ' ')]))
  expect(entries).toEqual(['100644 a "b"/c\n.txt', '100755 run', '120000 same'])
  expect(await git.read({ app: app.name, commitId, root: '' }, 'a "b"/c\n.txt')).toBe('hello')
})

test.each<readonly [string, readonly Entry[]]>([
  ['a link that leads out', [{ name: 'out', link: '../../etc/passwd' }]],
  [
    'a hard link',
    [
      { name: 'a', text: 'a' },
      { name: 'b', link: 'a', type: 'link' },
    ],
  ],
  ['a path that leads out', [{ name: '../a', text: 'a' }]],
  ['a part of git', [{ name: 'sub/.GIT/config', text: '[core]' }]],
  ['a name that Windows takes for git', [{ name: 'GIT~1/config', text: '[core]' }]],
  [
    'the same file twice',
    [
      { name: 'a', text: '1' },
      { name: 'a', text: '2' },
    ],
  ],
])('%s is refused, and nothing is kept', async (_what, entries) => {
  const { git, app } = await someCode()
  await expect(git.upload(app.name, archive(...entries), BY)).rejects.toMatchObject({ code: 'archive.refused' })
  const { stdout } = await run('git', ['for-each-ref'], { cwd: git.pathOf(app.name) })
  expect(stdout).toBe('')
})

test('an empty folder, and what is no archive, are refused', async () => {
  const { git, app } = await someCode()
  await expect(git.upload(app.name, archive(), BY)).rejects.toMatchObject({ code: 'upload.empty' })
  await expect(git.upload(app.name, Readable.from([Buffer.from('no gzip at all')]), BY)).rejects.toMatchObject({ code: 'archive.refused' })
})

test.each(['with an error', 'without one'])('a sender who leaves %s ends the upload, and git with it', async (how) => {
  const { git, app } = await someCode()
  const sent = new PassThrough()
  const uploading = git.upload(app.name, sent, BY)
  const whole = await archive({ name: 'a', text: 'a'.repeat(100_000) }).toArray()
  sent.write(Buffer.concat(whole as Buffer[]).subarray(0, 60))
  sent.destroy(how === 'without one' ? undefined : new Error('aborted'))
  await expect(uploading).rejects.toMatchObject({ code: 'archive.refused' })
})

test('a git that cannot be started fails the upload, and ends nothing else', async () => {
  const { git, app } = await someCode()
  const path = process.env['PATH']
  try {
    const repository = git.pathOf(app.name)
    process.env['PATH'] = '/nonexistent'
    await expect(keepUpload(archive({ name: 'a', text: 'a' }), { repository, ref: 'refs/lockgate/uploads/x', ...BY })).rejects.toThrow('fast-import')
  } finally {
    process.env['PATH'] = path
  }
})
