/** What an edge counted of one instance. Counts only grow within one epoch; another epoch began again at 0. */
export interface Reading {
  /** The counter's life: a worker of the edge, a slot's use. Compared for equality only. */
  readonly epoch: string
  /** Requests it was sent and that have ended. */
  readonly requests: number
  /** Of these: answered 5xx by the app, refused or cut by it, or out of time. */
  readonly failures: number
  /** Mean time to its first byte over its last requests (at most 1,024), milliseconds; 0 while there was none. */
  readonly answerMs: number
}
