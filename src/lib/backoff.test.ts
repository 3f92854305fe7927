import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

test('the pause doubles up to its most', () => {
  expect([1, 2, 3, 4].map((tries) => backoffMs(tries, 100, 500))).toEqual([100, 200, 400, 500])
})

test('no number of tries makes it overflow or vanish', () => {
  expect([0, -5, 1_000, Number.MAX_SAFE_INTEGER].map((tries) => backoffMs(tries))).toEqual([500, 500, 60_000, 60_000])
})
