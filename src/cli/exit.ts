import { plainText } from '../lib/control-bytes.ts'
import { messageOf } from '../lib/errors.ts'
import { ApiProblem, ServerUnreachable } from './client.ts'

/** What the exit status says: the same for every command. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notAllowed: 3,
  notFound: 4,
  refused: 5,
  unreachable: 6,
  interrupted: 130,
} as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** The sentences of the reference. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'it was done',
  failed: 'the deployment, build, command or check failed, or was cancelled or superseded',
  usage: 'the command or its input is wrong',
  notAllowed: 'not signed in, or not allowed',
  notFound: 'what was named is not there',
  refused: 'it conflicts with what is there, or a rule or another system refused it',
  unreachable: 'the server does not answer, or cannot do it right now',
  interrupted: 'ended by Ctrl-C; what was begun on the server goes on',
}

/** An end with a message for people and a status of our own. */
export class CliError extends Error {
  readonly exit: Exit

  constructor(message: string, exit: Exit) {
    super(message)
    this.exit = exit
  }
}

/** A command of an app that ended with a status of its own, which is ours then. */
export class CommandEnded extends Error {
  readonly exit: number

  constructor(message: string, exit: number) {
    super(message)
    this.exit = exit
  }
}

/** The exit status of a thrown value. */
export function exitOf(error: unknown): number {
  if (error instanceof CommandEnded) return error.exit
  if (error instanceof CliError) return error.exit
  if (error instanceof ServerUnreachable) return EXIT.unreachable
  if (!(error instanceof ApiProblem)) return EXIT.failed
  const { status } = error.problem
  if (status === 401 || status === 403) return EXIT.notAllowed
  if (status === 404) return EXIT.notFound
  if (status === 422) return EXIT.usage
  if (status === 503 || status === 504) return EXIT.unreachable
  return status === 500 ? EXIT.failed : EXIT.refused
}

/** What is written to standard error; with --json the problem document itself. */
export function complaintOf(error: unknown, json: boolean): string {
  if (!json) return plainText(error instanceof ApiProblem ? `${error.message}  [${error.problem.code}]` : messageOf(error))
  if (error instanceof CliError && error.message === '') return ''
  const problem =
    error instanceof ApiProblem ? error.problem : { type: 'about:blank', title: 'Client error', status: 0, detail: messageOf(error), code: 'client.error' }
  return JSON.stringify(problem)
}
