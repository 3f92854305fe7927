import { RejectedError } from '../../lib/errors.ts'
import type { BuildCause } from './build.ts'

/** The app's build did something wrong; `cause` says what, the message what to do. */
export class BuildFailure extends RejectedError {
  readonly buildCause: BuildCause

  constructor(cause: BuildCause, message: string) {
    super(`build.${cause}`, message)
    this.buildCause = cause
  }
}
