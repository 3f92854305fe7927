/** What an edge counted of one instance. Counts only grow within one epoch; another epoch began again at 0. */
export interface Reading {
  /** The counter's life: a worker of the edge, a slot's use. Compared for equality only. */
  readonly epoch: string
  /** Requests it was sent and that have ended. */
  readonly requests: number
  /** Of these: answered 5xx by the app, refused or cut by it, or out of time. */
  readonly failures: number
  /** Mean time to its first byte over its last requests (some hundreds), milliseconds; 0 while there was none. */
  readonly answerMs: number
}

/** How something answered: what was counted of one or several instances over a time. */
export interface Sample {
  readonly requests: number
  readonly failures: number
  /** Mean time to the first byte, milliseconds; 0 without requests. */
  readonly answerMs: number
}

/** The counts of one instance since somebody began to count, carried over every new epoch of the edge's own counters. */
export interface Counted {
  readonly epoch: string
  /** The edge's counts when it was looked at last. */
  readonly lastRequests: number
  readonly lastFailures: number
  readonly sample: Sample
}

export const NOTHING: Sample = { requests: 0, failures: 0, answerMs: 0 }

/** Counting begins with this reading. */
export function countFrom(reading: Reading): Counted {
  return { epoch: reading.epoch, lastRequests: reading.requests, lastFailures: reading.failures, sample: NOTHING }
}

/** One look further. Counters of another epoch began at 0 while the instance was there: all they show is new. */
export function countOn(counted: Counted, reading: Reading): Counted {
  const isSame = counted.epoch === reading.epoch && reading.requests >= counted.lastRequests
  const requests = isSame ? reading.requests - counted.lastRequests : reading.requests
  const failures = Math.max(0, isSame ? reading.failures - counted.lastFailures : reading.failures)
  return {
    epoch: reading.epoch,
    lastRequests: reading.requests,
    lastFailures: reading.failures,
    sample: {
      requests: counted.sample.requests + requests,
      failures: Math.min(counted.sample.failures + failures, counted.sample.requests + requests),
      answerMs: reading.answerMs > 0 ? reading.answerMs : counted.sample.answerMs,
    },
  }
}

/** Several samples as one; times weigh as many requests as they stand for. */
export function together(samples: readonly Sample[]): Sample {
  const requests = samples.reduce((sum, one) => sum + one.requests, 0)
  const weighted = samples.reduce((sum, one) => sum + one.answerMs * one.requests, 0)
  return { requests, failures: samples.reduce((sum, one) => sum + one.failures, 0), answerMs: requests === 0 ? 0 : Math.round(weighted / requests) }
}
