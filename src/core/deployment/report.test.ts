import { expect, test } from 'vitest'
import { hintOf } from './report.ts'

test.each([
  ['nothing is known', null, null],
  ['all is well', [{ address: '0.0.0.0', port: 8080 }], null],
  [
    'it listens inside and outside',
    [
      { address: '127.0.0.1', port: 8080 },
      { address: '::', port: 8080 },
    ],
    null,
  ],
  ['it listens nowhere', [], /no port at all.*0\.0\.0\.0:8080/],
  ['only itself reaches it', [{ address: '127.0.0.1', port: 8080 }], /127\.0\.0\.1:8080 only.*0\.0\.0\.0:8080/],
  ['only itself reaches it, by IPv6', [{ address: '::1', port: 8080 }], /::1:8080 only/],
  [
    'it listens elsewhere',
    [
      { address: '0.0.0.0', port: 3000 },
      { address: '::', port: 3000 },
    ],
    /on port 3000, and was asked on 8080; say "port: 3000"/,
  ],
])('when %s the hint fits', (_what, listening, hint) => {
  expect(hintOf(listening, 8080)).toEqual(hint === null ? null : expect.stringMatching(hint))
})
