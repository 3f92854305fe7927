import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judge, type Verdict, wilson } from './analysis.ts'
import type { Sample } from './reading.ts'

const sample = (requests: number, failures: number, answerMs = 10): Sample => ({ requests, failures, answerMs })

interface Case {
  readonly name: string
  readonly fresh: Sample
  readonly old: Sample | null
  readonly isOver: boolean
  readonly verdict: Verdict['kind']
}

const CASES: readonly Case[] = [
  { name: 'fifty failures of fifty', fresh: sample(50, 50), old: sample(1_000, 0), isOver: false, verdict: 'worse' },
  { name: 'a few in many, where there were none', fresh: sample(1_000, 40), old: sample(1_000, 0), isOver: false, verdict: 'worse' },
  { name: 'as many as before', fresh: sample(1_000, 40), old: sample(1_000, 40), isOver: true, verdict: 'good' },
  { name: 'four failures are an accident', fresh: sample(4, 4), old: sample(1_000, 0), isOver: false, verdict: 'watching' },
  { name: 'nothing failed, and it is not over', fresh: sample(1_000, 0), old: sample(1_000, 0), isOver: false, verdict: 'watching' },
  { name: 'nothing failed, and it is over', fresh: sample(1_000, 0), old: sample(1_000, 0), isOver: true, verdict: 'good' },
  { name: 'too few for a verdict', fresh: sample(12, 0), old: sample(1_000, 0), isOver: true, verdict: 'unknown' },
  { name: 'no requests at all', fresh: sample(0, 0, 0), old: sample(0, 0, 0), isOver: true, verdict: 'unknown' },
  { name: 'slower by far', fresh: sample(100, 0, 900), old: sample(100, 0, 100), isOver: true, verdict: 'worse' },
  { name: 'slower by far, but not over: the first answers are slow', fresh: sample(100, 0, 900), old: sample(100, 0, 100), isOver: false, verdict: 'watching' },
  { name: 'twice as slow, but fast', fresh: sample(100, 0, 30), old: sample(100, 0, 10), isOver: true, verdict: 'good' },
  { name: 'nothing known of the old one, and most fail', fresh: sample(40, 30), old: null, isOver: false, verdict: 'worse' },
  { name: 'nothing known of the old one, and a tenth fails', fresh: sample(100, 10), old: null, isOver: true, verdict: 'good' },
]

test.each(CASES)('$name', ({ fresh, old, isOver, verdict }) => {
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
