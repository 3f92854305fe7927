/** What may hang on an error besides its sentence: `details` goes to the client, `cause` only to the log. */
export interface ErrorExtras {
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * Every failure we expect. The class says how a loop and the API treat it, `code` is stable API (`noun.what`),
 * `message` is a sentence for people that says what to do.
 */
export abstract class PlatformError extends Error {
  abstract readonly retryable: boolean
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause })
    this.name = new.target.name
    this.code = code
    this.details = extras.details ?? {}
  }
}

/** Input that does not parse or contradicts itself. */
export class InvalidError extends PlatformError {
  readonly retryable = false
}
/** Nobody is signed in, or the token is wrong, expired or revoked. */
export class UnauthenticatedError extends PlatformError {
  readonly retryable = false
}
/** The caller is known and may not. */
export class ForbiddenError extends PlatformError {
  readonly retryable = false
}
/** It is not there, or the caller may not know that it is. */
export class NotFoundError extends PlatformError {
  readonly retryable = false
}
/** An illegal transition, a stale version, a taken name. */
export class ConflictError extends PlatformError {
  readonly retryable = false
}
/** A rule said no, or not yet. */
export class PolicyError extends PlatformError {
  readonly retryable = false
}
/** The outside system understood and refused. */
export class RejectedError extends PlatformError {
  readonly retryable = false
}
/** The outside system did not answer, or said "later". */
export class UnavailableError extends PlatformError {
  readonly retryable = true
}
/** A deadline of ours passed. */
export class TimeoutError extends PlatformError {
  readonly retryable = false
}

/** The stable code of any thrown value; what we did not expect is `internal`. */
export function codeOf(error: unknown): string {
  return error instanceof PlatformError ? error.code : 'internal'
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether a thrown value is a Node system error with this `code` (ENOENT, ECONNREFUSED ...). */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code
}

/** The result code of SQLite in an error of node:sqlite (https://sqlite.org/rescode.html); 0: it is no such error. */
export function sqliteCodeOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) : 0
}
