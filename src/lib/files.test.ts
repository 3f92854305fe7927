import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aFolder } from '../../test/support/store.ts'
import { makeFolderFor, readIfThere, removeHalfWritten, writeAtomic } from './files.ts'

test('a file is replaced whole, with its rights, and nothing lies beside it', async () => {
  const folder = await aFolder()
  await writeAtomic(join(folder, 'key'), 'old', 0o600)
  await writeAtomic(join(folder, 'key'), 'new', 0o600)

  expect(await readFile(join(folder, 'key'), 'utf8')).toBe('new')
  expect((await stat(join(folder, 'key'))).mode & 0o777).toBe(0o600)
  expect(await readdir(folder)).toEqual(['key'])
})

test('a write that fails leaves what was there, and no rest', async () => {
  const folder = await aFolder()
  await mkdir(join(folder, 'taken'))
  await writeFile(join(folder, 'taken', 'inside'), 'stays')

  await expect(writeAtomic(join(folder, 'taken'), 'new')).rejects.toMatchObject({ code: 'EISDIR' })

  expect(await readdir(folder)).toEqual(['taken'])
  expect(await readFile(join(folder, 'taken', 'inside'), 'utf8')).toBe('stays')
})

test('what a killed write left goes, and nothing else', async () => {
  const folder = await aFolder()
  for (const name of ['state.json', 'state.json.b4kq7z.tmp', 'notes.tmp', 'state.json.other']) await writeFile(join(folder, name), '')

  await removeHalfWritten(folder)
  await removeHalfWritten(join(folder, 'not-there'))

  expect((await readdir(folder)).toSorted()).toEqual(['notes.tmp', 'state.json', 'state.json.other'])
})

test('writers at the same time leave one of their texts, whole', async () => {
  const path = join(await aFolder(), 'file')
  const texts = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(200_000))
  await Promise.all(texts.map((text) => writeAtomic(path, text)))

  expect(texts).toContain(await readFile(path, 'utf8'))
})

test('a file that is not there is null, and one that cannot be read is an error', async () => {
  const folder = await aFolder()
  expect(await readIfThere(join(folder, 'nothing'))).toBeNull()
  await expect(readIfThere(folder)).rejects.toMatchObject({ code: 'EISDIR' })
})

test('folders for a file are made on the way, twice too', async () => {
  const path = join(await aFolder(), 'a', 'b', 'file')
  await makeFolderFor(path)
  await makeFolderFor(path)
  await writeAtomic(path, 'x')

  expect(await readIfThere(path)).toBe('x')
})
