/** One step of a build as it goes. Steps are numbered from 1 in the order they begin. */
export interface BuildStep {
  readonly number: number
  readonly name: string
  readonly state: 'running' | 'done' | 'failed'
  /** Since it began. */
  readonly ms: number
  /** Nothing was run: an earlier build left the same. */
  readonly cached: boolean
}

/** One step of a build as it is kept. */
export interface BuildStepRecord extends BuildStep {
  /** `<build>/<number>`. */
  readonly id: string
  readonly projectId: string
  readonly buildId: string
  readonly startedAt: number
}
