import type { Report } from '../../../test/support/disruption/types.ts'

/** Somebody who can bring a release, and go back: all in front of the same kind of app, under the same clients. */
export interface Contender {
  readonly name: string
  /** Where clients ask, on 127.0.0.1, and with which Host header. */
  readonly port: number
  readonly host: string
  /** Brings the release, 0 or 1, and resolves when that is done. */
  deploy(release: 0 | 1): Promise<void>
  rollback(): Promise<void>
  stop(): Promise<void>
}

/** What was seen of one while it deployed. */
export interface Seen {
  readonly name: string
  readonly atRest: Report
  readonly during: Report
  /** Of one deployment, and of one rollback. */
  readonly seconds: number
  readonly rollbackSeconds: number
}

/** Instances each of them runs. */
export const COUNT = 2
