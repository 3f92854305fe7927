import { RejectedError } from '../../lib/errors.ts'
import type { BuildCause, TestFile } from './build.ts'

/** The app's build did something wrong; `cause` says what, the message what to do. */
export class BuildFailure extends RejectedError {
  readonly buildCause: BuildCause
  /** What the tests left before it failed. */
  readonly tests: readonly TestFile[]

  constructor(cause: BuildCause, message: string, tests: readonly TestFile[] = []) {
    super(`build.${cause}`, message)
    this.buildCause = cause
    this.tests = tests
  }
}
