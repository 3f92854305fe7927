import { expect, test } from 'vitest'
import { Redactor } from './sensitive.ts'

const SECRET = 'p@ss word+"x"/42?'

test.each([
  ['as it is', SECRET],
  ['as base64', Buffer.from(SECRET).toString('base64')],
  ['as base64 without its padding', Buffer.from(SECRET).toString('base64').replace(/=+$/, '')],
  ['as base64url', Buffer.from(SECRET).toString('base64url')],
  ['as hex', Buffer.from(SECRET).toString('hex')],
  ['as URLs write it', encodeURIComponent(SECRET)],
  ['as JSON writes it', JSON.stringify(SECRET).slice(1, -1)],
])('a secret is masked %s', (_how, form) => {
  expect(new Redactor([SECRET]).redact(`before ${form} after`)).toBe('before *** after')
})

test('each line of a key of several lines is masked, as logs print them', () => {
  const redactor = new Redactor(['-----BEGIN KEY-----\nabcdefgh\r\nijklmnop\n-----END KEY-----'])
  expect([redactor.redact('line abcdefgh'), redactor.redact('line ijklmnop')]).toEqual(['line ***', 'line ***'])
})

test('a secret that holds another leaves nothing of itself', () => {
  expect(new Redactor(['secret', 'secret-and-more']).redact('a secret-and-more b secret c')).toBe('a *** b *** c')
})

test('every place is masked, and characters with a meaning in patterns are only characters', () => {
  expect(new Redactor(['a.b*c$&d']).redact('a.b*c$&d aXbbbc a.b*c$&d')).toBe('*** aXbbbc ***')
})

test('short values would tear words apart and are left alone', () => {
  expect(new Redactor(['on', '', '12345']).redact('on and on, 12345')).toBe('on and on, 12345')
})
