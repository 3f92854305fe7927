import { expect, test } from 'vitest'
import { mediaTypeOf, readJson, refuseOtherBodies, refuseUnread } from './bodies.ts'

const request = (headers: Readonly<Record<string, string>>, body?: unknown, query?: unknown) => ({ headers, body, query }) as never
const JSON_ROUTE = { body: {} } as never
const UPLOAD_ROUTE = { upload: 'application/gzip' } as never
const NO_BODY_ROUTE = {} as never

test.each([
  ['bytes that are no text', Buffer.from([0x22, 0xff, 0x22]), 'not text in UTF-8'],
  ['a character cut in two', Buffer.from([0x22, 0xe2, 0x82, 0x22]), 'not text in UTF-8'],
  ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), 'not text in UTF-8'],
  ['half of a pair', Buffer.from('{"a":["\\ud800"]}'), 'body.a.0 holds half of a character'],
  ['the other half in a name', Buffer.from('{"\\udc00":1}'), 'a name in body holds half of a character'],
  ['a NUL byte', Buffer.from('{"a":{"b":"x\\u0000y"}}'), 'body.a.b holds a NUL byte'],
  ['the name __proto__', Buffer.from('{"set":{"__proto__":"x"}}'), 'body.set: nothing can have the name "__proto__"'],
  ['a name that stands twice', Buffer.from('{"a":1,"b":[{"c":1,"d":"x:{","c":2}]}'), 'The body has the name "c" twice in one object'],
  ['a name that stands twice, once as an escape', Buffer.from('{"role":"viewer","r\\u006fle" : "admin"}'), 'The body has the name "role" twice'],
  ['no JSON', Buffer.from('{a:1}'), 'The body is not JSON'],
  ['nothing', Buffer.alloc(0), 'The body is not JSON'],
  ['a million levels', Buffer.from('['.repeat(500_000) + ']'.repeat(500_000)), 'nested more than 64 deep'],
])('%s is refused', (_name, bytes, message) => {
  expect(() => readJson(bytes)).toThrow(message)
})

test('the same name in several objects, in a text and as a text is none that stands twice', () => {
  const value = { a: { a: 'a":', b: ['a', 'a', { a: '{"a":1,"a":2}' }] }, b: '\\', c: 'x'.repeat(700_000) }
  expect(readJson(Buffer.from(JSON.stringify(value)))).toEqual(value)
})

test('what JSON says stays as it is', () => {
  expect(readJson(Buffer.from('\ufeff{"a":"\\ud83d\\ude80 \\u202e","constructor":[1,null]}'))).toEqual({ a: '🚀 \u202e', constructor: [1, null] })
})

test.each([
  [{ 'content-length': '2' }, JSON_ROUTE, 'no Content-Type came'],
  [{ 'content-length': '2', 'content-type': 'text/plain' }, JSON_ROUTE, '"text/plain" came'],
  [{ 'content-length': '2', 'content-type': 'application/gzip' }, JSON_ROUTE, '"application/gzip" came'],
  [{ 'transfer-encoding': 'chunked', 'content-type': 'application/json' }, UPLOAD_ROUTE, 'as application/gzip'],
  [{}, UPLOAD_ROUTE, 'no Content-Type came'],
  [{ 'content-length': '2', 'content-type': 'application/json; charset=utf-16' }, JSON_ROUTE, 'not in "utf-16"'],
  [{ 'content-length': '2', 'content-type': 'application/json', 'content-encoding': 'gzip' }, JSON_ROUTE, 'Content-Encoding "gzip"'],
  [{ 'content-length': '2', 'content-type': 'application/gzip', 'content-encoding': 'gzip' }, UPLOAD_ROUTE, 'Content-Encoding "gzip"'],
])('a body with %j is refused', (headers, route, message) => {
  expect(() => refuseOtherBodies(route, request(headers))).toThrow(message)
})

test.each([
  [{}, JSON_ROUTE],
  [{ 'content-length': '2', 'content-type': 'Application/JSON; charset="UTF-8"' }, JSON_ROUTE],
  [{ 'content-type': 'application/gzip; level=9' }, UPLOAD_ROUTE],
])('a body with %j is taken', (headers, route) => {
  expect(() => refuseOtherBodies(route, request(headers))).not.toThrow()
})

test('a route refuses what it would not read', () => {
  expect(() => refuseUnread(NO_BODY_ROUTE, request({}, null, { projct: 'x' }))).toThrow('"projct" would not be read')
  expect(() => refuseUnread({ permission: 'public' } as never, request({}, null, { t: '1' }))).not.toThrow()
  expect(() => refuseUnread(NO_BODY_ROUTE, request({}, { force: true }))).toThrow('takes no body')
  expect(() => refuseUnread(NO_BODY_ROUTE, request({}, {}))).not.toThrow()
  expect(mediaTypeOf(request({ 'content-type': ' Application/GZIP ; x=y' }))).toBe('application/gzip')
})
