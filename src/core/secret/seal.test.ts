import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aFolder } from '../../../test/support/store.ts'
import { openSealer } from './seal.ts'

const HERE = { environmentId: 'e-1', name: 'TOKEN', version: 1 }

test('what was sealed opens, also after a restart', async () => {
  const folder = await aFolder()
  const sealed = (await openSealer(folder)).seal('päss\nword 🔑', HERE)

  expect((await openSealer(folder)).open(sealed, HERE)).toBe('päss\nword 🔑')
})

test('the same value is sealed differently each time, and is not in what is kept', async () => {
  const sealer = await openSealer(await aFolder())
  const [one, two] = [sealer.seal('swordfish', HERE), sealer.seal('swordfish', HERE)]

  expect(one.ciphertext).not.toBe(two.ciphertext)
  expect(Buffer.from(one.ciphertext, 'base64').toString('latin1')).not.toContain('swordfish')
})

test.each([
  ['in another environment', { environmentId: 'e-2' }],
  ['under another name', { name: 'OTHER' }],
  ['as another version', { version: 2 }],
])('it does not open %s', async (_where, elsewhere) => {
  const sealer = await openSealer(await aFolder())
  const sealed = sealer.seal('swordfish', HERE)

  expect(() => sealer.open(sealed, { ...HERE, ...elsewhere })).toThrow(expect.objectContaining({ code: 'secret.cannot_open' }))
})

test.each(['ciphertext', 'tag', 'nonce', 'keyId'] as const)('it does not open with its %s changed', async (part) => {
  const sealer = await openSealer(await aFolder())
  const sealed = sealer.seal('swordfish', HERE)
  const bytes = Buffer.from(sealed[part], 'base64')
  bytes[0] = (bytes[0] ?? 0) ^ 1

  expect(() => sealer.open({ ...sealed, [part]: bytes.toString('base64') }, HERE)).toThrow(expect.objectContaining({ code: 'secret.cannot_open' }))
  expect(() => sealer.open({ ...sealed, tag: sealed.tag.slice(0, 8) }, HERE)).toThrow(expect.objectContaining({ code: 'secret.cannot_open' }))
})

test('another key file opens nothing, and the sentence does not tell the value', async () => {
  const sealed = (await openSealer(await aFolder())).seal('swordfish', HERE)
  const stranger = await openSealer(await aFolder())

  expect(() => stranger.open(sealed, HERE)).toThrow(expect.objectContaining({ message: expect.stringMatching(/^The secret TOKEN cannot be opened/) }))
})

test('the key file is for its owner only, and a damaged one is not replaced', async () => {
  const folder = await aFolder()
  const path = join(folder, 'secrets.key')
  await openSealer(folder)
  expect((await stat(path)).mode & 0o777).toBe(0o600)

  await writeFile(path, '{"current":"key-1","keys":{"key-1":"short"}}')
  await expect(openSealer(folder)).rejects.toMatchObject({ code: 'secret.key_file_damaged' })
  expect(await readFile(path, 'utf8')).toContain('short')
})
