import { expect, test } from 'vitest'
import { readingOf } from './readings.ts'
import type { Pool } from './schema.ts'
import type { ServerCounts } from './worker.ts'

/** A slot as HAProxy counts it: exact up to 512 requests, then a sliding mean. */
function served(earlier: readonly number[], later: readonly number[]) {
  let sum = 0
  let requests = 0
  const serve = (times: readonly number[]): ServerCounts => {
    for (const ms of times) {
      requests += 1
      sum = requests <= 512 ? sum + ms : sum * (1 - 1 / 512) + ms
    }
    return { requests, failures: 0, answerMs: requests === 0 ? 0 : Math.ceil(sum / Math.min(512, requests)) }
  }
  const before = serve(earlier)
  const counts = serve(later)
  const slot = { instance: 'i-1', address: '10.0.0.1', port: 1, ready: true, leaving: false, before: { worker: 7, ...before } }
  const pool: Pool = { counts: {}, backends: { p8_000: { arm: 'e-1/blue', retired: false, slots: [slot] } } }
  return readingOf(counts, { pool, place: { backend: 'p8_000', slot: 0 }, worker: 7 })
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms)

test.each([
  [0, 40, 2],
  [300, 100, 8],
  [300, 500, 4],
  [2_000, 100, 8],
  [2_000, 1_000, 3],
  [2_000, 20_000, 2],
])('after %i slow requests of another instance, %i of this one say how long this one takes', (earlier, later, tolerance) => {
  const { requests, answerMs } = served(times(earlier, 300), times(later, 20))

  expect(requests).toEqual(later)
  expect(Math.abs(answerMs - 20)).toBeLessThanOrEqual(tolerance)
})

test('an instance that was asked nothing has nothing to say', () => {
  expect(served(times(50, 300), [])).toMatchObject({ requests: 0, failures: 0, answerMs: 0 })
})
