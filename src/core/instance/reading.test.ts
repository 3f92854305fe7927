import { expect, test } from 'vitest'
import { countFrom, countOn, NOTHING, together } from './reading.ts'

const reading = (epoch: string, requests: number, failures: number) => ({ epoch, requests, failures, answerMs: 10 })

test('what was there when counting began is not counted', () => {
  const counted = countOn(countFrom(reading('a', 100, 7)), reading('a', 150, 8))

  expect(counted.sample).toEqual({ requests: 50, failures: 1, answerMs: 10 })
})

test('a worker that began anew loses nothing that was counted, and nothing it counts', () => {
  const before = countOn(countFrom(reading('a', 0, 0)), reading('a', 40, 2))
  const after = countOn(before, { ...reading('b', 10, 1), answerMs: 30 })

  expect(after.sample).toEqual({ requests: 50, failures: 3, answerMs: 30 })
  expect(countOn(after, reading('b', 11, 1)).sample.requests).toBe(51)
})

test('times weigh as many requests as they stand for', () => {
  expect(together([{ requests: 90, failures: 1, answerMs: 10 }, { requests: 10, failures: 2, answerMs: 110 }, NOTHING])).toEqual({
    requests: 100,
    failures: 3,
    answerMs: 20,
  })
  expect(together([])).toEqual(NOTHING)
})
