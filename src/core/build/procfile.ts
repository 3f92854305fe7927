import { plainlyDecoded } from '../../lib/text.ts'
import { BuildFailure } from './build-failure.ts'
import type { Checkout } from './build-plan.ts'

/** What the Procfile of a checkout says; null where it says nothing of it. */
export interface Procfile {
  readonly web: readonly string[] | null
  readonly release: readonly string[] | null
}

const PROCFILE = 'Procfile'

/** Reads `name: command` lines. Throws BuildFailure `not_understood` with the line that is none. */
export function procfileOf(checkout: Checkout): Procfile {
  const lines = linesOf(checkout)
  const commandOf = (name: string): readonly string[] | null => {
    const line = lines.get(name)
    return line === undefined ? null : commandOfLine(line)
  }
  return { web: commandOf('web'), release: commandOf('release') }
}

/** The names of its processes. Throws BuildFailure `not_understood` with the line that is none. */
export function procfileNames(checkout: Checkout): readonly string[] {
  return [...linesOf(checkout).keys()]
}

function linesOf({ files, texts }: Checkout): ReadonlyMap<string, string> {
  const lines = new Map<string, string>()
  const text = files.includes(PROCFILE) ? plainlyDecoded(texts[PROCFILE] ?? '') : ''
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, name, command] = /^([A-Za-z0-9_-]+):\s*(\S.*)$/.exec(line) ?? []
    if (name === undefined || command === undefined)
      throw new BuildFailure('not_understood', `Line ${at + 1} of the Procfile is not NAME: COMMAND, such as "web: gunicorn shop.wsgi"`)
    if (lines.has(name)) throw new BuildFailure('not_understood', `Line ${at + 1} of the Procfile says ${name} a second time`)
    lines.set(name, command.trim())
  }
  return lines
}

const PLAIN_WORDS = /^[\w@%+=:,./-]+(\s+[\w@%+=:,./-]+)*$/
const CONTROL = /[;&|\n]/
const ASSIGNMENT = /^[A-Za-z_]\w*=/

/**
 * A line as a command: plain words are run as they are. A line with variables, quotes or operators is given to the shell
 * of the app's own image, which becomes the program when there is only one, so that it gets the signals.
 */
function commandOfLine(line: string): readonly string[] {
  if (PLAIN_WORDS.test(line) && !ASSIGNMENT.test(line)) return line.split(/\s+/)
  if (CONTROL.test(line) || line.startsWith('exec ')) return ['sh', '-c', line]
  return ['sh', '-c', ASSIGNMENT.test(line) ? `exec env ${line}` : `exec ${line}`]
}
