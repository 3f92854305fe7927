import { expect, test } from 'vitest'
import { decodeText, plainlyDecoded, UTF16_MARK } from './text.ts'

const BIG_ENDIAN = Buffer.from('aü', 'utf16le').swap16()

test.each([
  ['UTF-8', Buffer.from('aü'), 'aü'],
  ['UTF-8 with a mark', Buffer.from('\ufeffaü'), 'aü'],
  ['UTF-16, least byte first', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('aü', 'utf16le')]), `${UTF16_MARK}aü`],
  ['UTF-16, most byte first', Buffer.concat([Buffer.from([0xfe, 0xff]), BIG_ENDIAN]), `${UTF16_MARK}aü`],
  ['nothing', Buffer.alloc(0), ''],
])('%s is decoded', (_name, bytes, text) => {
  expect(decodeText(bytes)).toBe(text)
  expect(plainlyDecoded(decodeText(bytes))).toBe(text.replace(UTF16_MARK, ''))
})
