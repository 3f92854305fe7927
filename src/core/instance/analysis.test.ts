import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judge, wilson } from './analysis.ts'
import type { Sample } from './reading.ts'

const sample = (requests: number, failures: number, answerMs = 10): Sample => ({ requests, failures, answerMs })

test.each([
  ['fifty failures of fifty', sample(50, 50), sample(1_000, 0), false, 'worse'],
  ['a few in many, where there were none', sample(1_000, 40), sample(1_000, 0), false, 'worse'],
  ['as many as before', sample(1_000, 40), sample(1_000, 40), true, 'good'],
  ['four failures are an accident', sample(4, 4), sample(1_000, 0), false, 'watching'],
  ['nothing failed, and it is not over', sample(1_000, 0), sample(1_000, 0), false, 'watching'],
  ['nothing failed, and it is over', sample(1_000, 0), sample(1_000, 0), true, 'good'],
  ['too few for a verdict', sample(12, 0), sample(1_000, 0), true, 'unknown'],
  ['no requests at all', sample(0, 0, 0), sample(0, 0, 0), true, 'unknown'],
  ['slower by far', sample(100, 0, 900), sample(100, 0, 100), true, 'worse'],
  ['slower by far, but not over: the first answers are slow', sample(100, 0, 900), sample(100, 0, 100), false, 'watching'],
  ['twice as slow, but fast', sample(100, 0, 30), sample(100, 0, 10), true, 'good'],
  ['nothing known of the old one, and most fail', sample(40, 30), null, false, 'worse'],
  ['nothing known of the old one, and a tenth fails', sample(100, 10), null, true, 'good'],
] as const)('%s', (_name, fresh, old, isOver, verdict) => {
  expect(judge({ fresh, old, leastRequests: 50, isOver }).kind).toBe(verdict)
})

test('the bounds hold the rate between them, and come closer with more requests', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (requests, rate) => {
      const failures = Math.round(requests * rate)
      const few = wilson({ requests, failures })
      const many = wilson({ requests: requests * 10, failures: failures * 10 })
      expect(few.lower).toBeLessThanOrEqual(failures / requests + 1e-9)
      expect(few.upper).toBeGreaterThanOrEqual(failures / requests - 1e-9)
      expect(many.upper - many.lower).toBeLessThanOrEqual(few.upper - few.lower + 1e-9)
    }),
  )
})

test('one that is as good as the old one is seldom found worse, however often it is looked at', () => {
  let seed = 7
  const random = (): number => {
    // Numerical Recipes' generator: the same draws in every run.
    seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return seed / 4_294_967_296
  }
  let found = 0
  for (let run = 0; run < 200; run++) {
    let failures = 0
    for (let requests = 1; requests <= 600; requests++) {
      if (random() < 0.05) failures++
      if (judge({ fresh: sample(requests, failures), old: sample(2_000, 100), leastRequests: 50, isOver: false }).kind !== 'worse') continue
      found++
      break
    }
  }
  expect(found).toBeLessThanOrEqual(4)
})
