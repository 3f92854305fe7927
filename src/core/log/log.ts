/** One line of a build, an instance or a one-off. `seq` grows by one per log and is what a reader resumes from. */
export interface LogRecord {
  readonly seq: number
  /** Wall ms. */
  readonly at: number
  /** Instance it came from; null in a build's log. */
  readonly source: string | null
  readonly stream: 'stdout' | 'stderr'
  readonly text: string
}

/** Which log: `environment/<id>`, `build/<id>`, `one-off/<id>`. */
export type LogKey = `${'environment' | 'build' | 'one-off'}/${string}`
