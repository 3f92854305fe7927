// Whether a new release answers worse than the old one. Pure.
import type { Sample } from './reading.ts'

/** 99 %: it is looked at again and again, so that a bound of 95 % would be crossed by chance. */
const Z = 2.576
/** A rate that is worse by less than this is not worth going back for. */
const TOLERANCE = 0.01
/** So few failures are an accident. */
const LEAST_FAILURES = 5
/** Where nothing is known of the old release it is taken for one that fails this often. */
const UNKNOWN_RATE = 0.2
/** A time is worse when it is so many times, and so many milliseconds, above the old one. */
const SLOWER = { times: 2, ms: 250 } as const

export interface Comparison {
  readonly fresh: Sample
  /** null: nothing served before. */
  readonly old: Sample | null
  /** Fewer requests than this say nothing. */
  readonly leastRequests: number
  /** The time of looking is over. */
  readonly isOver: boolean
}

/** worse: as sure as can be. unknown: too few requests. watching: nothing was found yet. */
export type Verdict = { readonly kind: 'worse' | 'unknown'; readonly why: string } | { readonly kind: 'good' | 'watching' }

/**
 * Failures are compared all the time: worse is what is above the old rate beyond both uncertainties (Wilson score interval,
 * E. B. Wilson 1927). Times are compared when the time of looking is over, since the first answers of anything are slow.
 */
export function judge({ fresh, old, leastRequests, isOver }: Comparison): Verdict {
  const ceiling = old === null || old.requests === 0 ? UNKNOWN_RATE : wilson(old).upper + TOLERANCE
  if (fresh.failures >= LEAST_FAILURES && wilson(fresh).lower > ceiling) {
    return {
      kind: 'worse',
      why: `${fresh.failures} of ${fresh.requests} requests to it failed${old === null ? '' : `, ${old.failures} of ${old.requests} to the one before`}`,
    }
  }
  if (!isOver) return { kind: 'watching' }
  if (fresh.requests < leastRequests)
    return { kind: 'unknown', why: `it had ${fresh.requests} ${fresh.requests === 1 ? 'request' : 'requests'}, and ${leastRequests} are needed for a verdict` }
  if (old !== null && old.requests >= leastRequests && fresh.answerMs > Math.max(old.answerMs * SLOWER.times, old.answerMs + SLOWER.ms)) {
    return { kind: 'worse', why: `its answers begin after ${fresh.answerMs} ms on average, those of the one before after ${old.answerMs} ms` }
  }
  return { kind: 'good' }
}

/** Between which bounds the true rate of failures is. Without requests: anywhere. */
export function wilson({ requests, failures }: Pick<Sample, 'requests' | 'failures'>): { readonly lower: number; readonly upper: number } {
  if (requests === 0) return { lower: 0, upper: 1 }
  const rate = failures / requests
  const square = (Z * Z) / requests
  const middle = rate + square / 2
  const reach = Z * Math.sqrt((rate * (1 - rate)) / requests + square / (4 * requests))
  return { lower: Math.max(0, (middle - reach) / (1 + square)), upper: Math.min(1, (middle + reach) / (1 + square)) }
}
