// Requests that are no requests, or say two things: as bytes, with the status and code of their refusal.
import { gzipSync } from 'node:zlib'

/** What stands in the request line and the headers; `H` is the right Host, `A` the right token. */
export interface RawRow {
  readonly name: string
  readonly line: string
  readonly headers?: readonly string[]
  readonly body?: string | Uint8Array
  readonly status: number
  readonly code: string
}

const JSON_TYPE = 'Content-Type: application/json'
const UPLOADS = '/v1/apps/target/environments/production/uploads'
const CONFIG = '/v1/apps/target/environments/production/config'

const row = (name: string, line: string, more: Omit<RawRow, 'name' | 'line'>): RawRow => ({ name, line, ...more })
const unreadable = { status: 422, code: 'request.unreadable' } as const
const invalid = { status: 422, code: 'request.invalid' } as const
const chunked = ['H', 'A', JSON_TYPE, 'Transfer-Encoding: chunked']

/** A body with its length. */
function posted(name: string, headers: readonly string[], body: string | Uint8Array): RawRow {
  return row(name, 'POST /v1/projects HTTP/1.1', { ...invalid, headers: ['H', 'A', ...headers, `Content-Length: ${Buffer.from(body as string).length}`], body })
}

export const FRAMES: readonly RawRow[] = [
  row('two lengths', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'Content-Length: 2', 'Content-Length: 3'], body: '{}' }),
  row('a length and chunks', 'POST /v1/projects HTTP/1.1', {
    ...unreadable,
    headers: ['H', 'A', 'Content-Length: 2', 'Transfer-Encoding: chunked'],
    body: '2\r\n{}\r\n0\r\n\r\n',
  }),
  row('a coding that is none', 'POST /v1/projects HTTP/1.1', {
    ...unreadable,
    headers: ['H', 'A', 'Transfer-Encoding: xchunked'],
    body: '2\r\n{}\r\n0\r\n\r\n',
  }),
  row('a chunk whose length is no number', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: chunked, body: 'zz\r\n{}\r\n0\r\n\r\n' }),
  row('a chunk longer than any number', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: chunked, body: `${'f'.repeat(17)}\r\n{}\r\n0\r\n\r\n` }),
  row('a chunk with an extension that never ends', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: chunked, body: `2;${'x'.repeat(20_000)}\r\n` }),
  row('a chunk longer than it says', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: chunked, body: '2\r\n{}{}\r\n0\r\n\r\n' }),
  row('a length below nothing', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'Content-Length: -1'], body: '{}' }),
  row('a length in hexadecimal', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'Content-Length: 0x2'], body: '{}' }),
  row('a length with a sign', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'Content-Length: +2'], body: '{}' }),
  row('a length of 100 GB', 'POST /v1/projects HTTP/1.1', {
    status: 422,
    code: 'request.too_large',
    headers: ['H', 'A', JSON_TYPE, 'Content-Length: 99999999999'],
    body: '{}',
  }),
  row('a length that no number holds', 'POST /v1/projects HTTP/1.1', { ...unreadable, headers: ['H', 'A', `Content-Length: ${'9'.repeat(40)}`] }),
  row('chunks of more than a body may be', 'POST /v1/projects HTTP/1.1', {
    status: 422,
    code: 'request.too_large',
    headers: chunked,
    body: `${(2 * 1024 * 1024).toString(16)}\r\n${' '.repeat(2 * 1024 * 1024)}\r\n0\r\n\r\n`,
  }),
  row('a name with a blank before its colon', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'X : a'] }),
  row('a header on two lines', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'X: a\r\n b'] }),
  row('a header with a NUL', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'X: a\0b'] }),
  row('a header with a bare return', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', 'X: a\rY: b'] }),
  row('a header without a name', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', ': x'] }),
  row('17 kB of headers', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', `X: ${'a'.repeat(17_000)}`] }),
  row('three thousand headers', 'GET /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A', ...Array.from({ length: 3_000 }, (_, at) => `A${at}: 1`)] }),
  row('a path of 20 kB', `GET /v1/${'a'.repeat(20_000)} HTTP/1.1`, { ...unreadable, headers: ['H'] }),
  row('a path with a blank', 'GET /v1/me x HTTP/1.1', { ...unreadable, headers: ['H', 'A'] }),
  row('a path with a control byte', 'GET /v1/\u0001 HTTP/1.1', { ...unreadable, headers: ['H', 'A'] }),
  row('a method that is none', 'FETCH /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A'] }),
  row('a method in small letters', 'get /v1/me HTTP/1.1', { ...unreadable, headers: ['H', 'A'] }),
  row('HTTP/2 without asking', 'PRI * HTTP/2.0', { ...unreadable, body: 'SM\r\n\r\n' }),
  row('HTTP/9.9', 'GET /v1/me HTTP/9.9', { ...unreadable, headers: ['H', 'A'] }),
  row('TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000', { ...unreadable }),
  row('the greeting of SSH', 'SSH-2.0-OpenSSH_9.2', { ...unreadable }),
  row('a proxy protocol line', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2', { ...unreadable }),
]

export const DOUBLED: readonly RawRow[] = [
  row('two hosts', 'GET /v1/me HTTP/1.1', { ...invalid, headers: ['H', 'Host: evil.example', 'A'] }),
  row('two equal hosts', 'GET /v1/me HTTP/1.1', { ...invalid, headers: ['H', 'H', 'A'] }),
  row('two tokens', 'GET /v1/me HTTP/1.1', { ...invalid, headers: ['H', 'A', 'Authorization: Bearer lgt_other'] }),
  row('a token and a password', 'GET /v1/me HTTP/1.1', { ...invalid, headers: ['H', 'A', 'authorization: Basic eDp5'] }),
  row('two kinds of body', 'POST /v1/projects HTTP/1.1', {
    ...invalid,
    headers: ['H', 'A', JSON_TYPE, 'Content-Type: text/plain', 'Content-Length: 2'],
    body: '{}',
  }),
  row('two origins', 'GET /v1/health HTTP/1.1', { ...invalid, headers: ['H', 'Origin: http://evil.example', 'Origin: http://evil.example'] }),
  row('two places in a stream', 'GET /v1/events/stream HTTP/1.1', { ...invalid, headers: ['H', 'A', 'Last-Event-ID: 1', 'Last-Event-ID: 2'] }),
  row('two codings', 'POST /v1/projects HTTP/1.1', {
    ...invalid,
    headers: ['H', 'A', JSON_TYPE, 'Content-Encoding: identity', 'Content-Encoding: gzip', 'Content-Length: 2'],
    body: '{}',
  }),
]

const wrongHost = { status: 403, code: 'request.wrong_host' } as const
const foreign = { status: 403, code: 'request.foreign_origin' } as const
const health = 'GET /v1/health HTTP/1.1'

export const ORIGINS: readonly RawRow[] = [
  row('no host', health, { ...wrongHost }),
  row('no host in HTTP/1.0', 'GET /v1/health HTTP/1.0', { ...wrongHost }),
  ...[
    'evil.example',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    'localhost.',
    'localhost:80:80',
    'localhost@evil.example',
    'localhost,evil.example',
    'xlocalhost',
    '[::1',
    '[::1]evil',
    'localhost/',
    'l\u00f6calhost',
    'localhost:99999999',
    '127.0.0.1.evil.example',
  ].map((host) => row(`the host ${host}`, health, { ...wrongHost, headers: [`Host: ${host}`] })),
  ...['null', 'http://evil.example', 'https://localhost.evil.example', 'file://', 'http://', 'garbage', '*'].map((origin) =>
    row(`the origin ${origin}`, health, { ...foreign, headers: ['H', `Origin: ${origin}`] }),
  ),
]

export const BODIES: readonly RawRow[] = [
  posted('no kind', [], '{"name":"named"}'),
  posted('plain text', ['Content-Type: text/plain'], '{"name":"named"}'),
  posted('a form', ['Content-Type: application/x-www-form-urlencoded'], 'name=named'),
  posted('a form of parts', ['Content-Type: multipart/form-data; boundary=x'], '--x--'),
  posted('an archive where JSON is read', ['Content-Type: application/gzip'], gzipSync('{"name":"named"}')),
  posted('a kind that is none', ['Content-Type: ;;;'], '{"name":"named"}'),
  posted('JSON zipped', [JSON_TYPE, 'Content-Encoding: gzip'], gzipSync('{"name":"named"}')),
  posted('JSON said to be zipped', [JSON_TYPE, 'Content-Encoding: gzip'], '{"name":"named"}'),
  posted('JSON in brotli', [JSON_TYPE, 'Content-Encoding: br'], 'x'),
  posted('JSON in UTF-16', ['Content-Type: application/json; charset=utf-16'], Buffer.from('{"name":"named"}', 'utf16le')),
  posted('JSON in Latin 1', ['Content-Type: application/json; charset="iso-8859-1"'], '{"name":"named"}'),
  posted('bytes that are no text', [JSON_TYPE], Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])),
  posted('a surrogate in three bytes', [JSON_TYPE], Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])),
  posted('a slash in two bytes', [JSON_TYPE], Buffer.from([0x22, 0xc0, 0xaf, 0x22])),
  posted('half a million levels', [JSON_TYPE], '['.repeat(400_000) + ']'.repeat(400_000)),
  posted('levels that do not end', [JSON_TYPE], '{"a":'.repeat(150_000)),
  posted('two values', [JSON_TYPE], '{"name":"named"}{}'),
  posted('a comment', [JSON_TYPE], '{"name":"named"} // x'),
  posted('a comma too much', [JSON_TYPE], '{"name":"named",}'),
  posted('a name without quotes', [JSON_TYPE], '{name:"named"}'),
  posted('NaN', [JSON_TYPE], '{"name":NaN}'),
  posted('nothing but blanks', [JSON_TYPE], '   '),
  posted('a list', [JSON_TYPE], '[]'),
  posted('a text', [JSON_TYPE], '"named"'),
  posted('null', [JSON_TYPE], 'null'),
  posted('__proto__', [JSON_TYPE], '{"__proto__":{"name":"named"}}'),
  posted('__proto__ written otherwise', [JSON_TYPE], '{"\\u005f_proto__":{"name":"named"}}'),
  posted('constructor.prototype', [JSON_TYPE], '{"constructor":{"prototype":{"name":"named"}}}'),
  row('a secret __proto__', `PATCH ${CONFIG} HTTP/1.1`, {
    ...invalid,
    headers: ['H', 'A', JSON_TYPE, 'Content-Length: 25'],
    body: '{"set":{"__proto__":"x"}}',
  }),
  ...[
    [],
    ['Content-Type: application/json'],
    ['Content-Type: text/plain'],
    ['Content-Type: application/octet-stream'],
    ['Content-Type: application/x-gzip'],
  ].map((type) =>
    row(`a folder of the kind ${type[0] ?? 'nobody names'}`, `POST ${UPLOADS} HTTP/1.1`, {
      ...invalid,
      headers: ['H', 'A', ...type, 'Content-Length: 2'],
      body: '{}',
    }),
  ),
  row('a folder of no kind and no length', `POST ${UPLOADS} HTTP/1.1`, { ...invalid, headers: ['H', 'A'] }),
  row('a folder to look at, of no kind', 'POST /v1/detect HTTP/1.1', { ...invalid, headers: ['H', 'A', 'Content-Length: 0'] }),
  row('a folder zipped twice on the way', `POST ${UPLOADS} HTTP/1.1`, {
    ...invalid,
    headers: ['H', 'A', 'Content-Type: application/gzip', 'Content-Encoding: gzip', 'Content-Length: 2'],
    body: '{}',
  }),
  row('a body where none is read', 'POST /v1/builds/b-none/cancel HTTP/1.1', {
    ...invalid,
    headers: ['H', 'A', JSON_TYPE, 'Content-Length: 14'],
    body: '{"force":true}',
  }),
]

const noToken = { status: 401, code: 'actor.no_token' } as const
const unknownToken = { status: 401, code: 'actor.unknown_token' } as const

/** Headers `Authorization` that open nothing. */
export const TOKENS: readonly (readonly [authorization: string, status: number, code: string])[] = (
  [
    ['', noToken],
    ['Bearer', noToken],
    ['Bearer ', noToken],
    ['Basic eDp5', noToken],
    ['Digest username="x"', noToken],
    ['Bearerlgt_x', noToken],
    ['Bearer lgt_', unknownToken],
    [`Bearer ${'x'.repeat(10_000)}`, unknownToken],
    ["Bearer ' or 1=1 --", unknownToken],
    ['Bearer lgt_\u00ff', unknownToken],
    ['Bearer __proto__', unknownToken],
  ] as const
).map(([authorization, { status, code }]) => [authorization, status, code])
