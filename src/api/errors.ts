// The only place where an error becomes an HTTP answer.
import type { z } from 'zod'
import { BuildFailure } from '../core/build/build-failure.ts'
import {
  ConflictError,
  ForbiddenError,
  InvalidError,
  NotFoundError,
  PlatformError,
  PolicyError,
  RejectedError,
  TimeoutError,
  UnauthenticatedError,
  UnavailableError,
} from '../lib/errors.ts'
import type { Problem } from './contract/resources.ts'

/** The first that fits says. */
const STATUSES: readonly (readonly [abstract new (...args: never[]) => PlatformError, number, string])[] = [
  [BuildFailure, 422, 'Cannot be built'],
  [InvalidError, 422, 'Invalid input'],
  [UnauthenticatedError, 401, 'Not signed in'],
  [ForbiddenError, 403, 'Not allowed'],
  [NotFoundError, 404, 'Not found'],
  [ConflictError, 409, 'Conflict'],
  [PolicyError, 409, 'Refused by a rule'],
  [RejectedError, 502, 'Refused by another system'],
  [UnavailableError, 503, 'Not available now'],
  [TimeoutError, 504, 'Took too long'],
]

/** The problem document (RFC 9457) of any thrown value. What we did not expect says nothing but its id in the log. */
export function problemOf(error: unknown, requestId: string): z.infer<typeof Problem> {
  if (error instanceof PlatformError) {
    const [, status, title] = STATUSES.find(([kind]) => error instanceof kind) ?? [null, 500, 'Internal error']
    return { ...error.details, type: `urn:lockgate:error:${error.code}`, title, status, detail: error.message, code: error.code }
  }
  return {
    type: 'urn:lockgate:error:internal',
    title: 'Internal error',
    status: 500,
    detail: `This is a bug of Lockgate. The server's log says more under the request id ${requestId}.`,
    code: 'internal',
  }
}
