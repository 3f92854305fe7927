import { PassThrough, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { expect, test } from 'vitest'
import { tarStream } from '../../lib/tar.ts'
import { readFolder } from './read-folder.ts'

function archive(files: Readonly<Record<string, string>>): Readable {
  const tar = tarStream(async (target) => {
    for (const [name, text] of Object.entries(files)) target.entry({ name }, text)
  })
  return tar.pipe(createGzip())
}

test('all paths are known, and the texts of small files near the top', async () => {
  const files = { 'package.json': '{}', 'src/a.js': 'a', 'src/deep/b.js': 'b', 'large.txt': 'x'.repeat(1024 * 1024 + 1) }
  expect(await readFolder(archive(files))).toEqual({ files: Object.keys(files).toSorted(), texts: { 'package.json': '{}', 'src/a.js': 'a' } })
})

test('a file named like a part of every object is a file like any other', async () => {
  const { texts } = await readFolder(archive({ __proto__x: '1', constructor: 'text' }))
  expect(texts['constructor']).toBe('text')
})

test('what is no archive is refused', async () => {
  await expect(readFolder(Readable.from([Buffer.from('no gzip at all')]))).rejects.toMatchObject({ code: 'archive.refused' })
})

test.each(['with an error', 'without one'])('a sender who leaves %s is noticed', async (how) => {
  const sent = new PassThrough()
  const reading = readFolder(sent)
  const whole = Buffer.concat((await archive({ 'a.txt': 'a'.repeat(100_000) }).toArray()) as Buffer[])
  sent.write(whole.subarray(0, 60))
  sent.destroy(how === 'without one' ? undefined : new Error('aborted'))
  await expect(reading).rejects.toMatchObject({ code: 'archive.refused' })
})
