// HAProxy's runtime command line, through the master's socket: `show proc` and `reload` are the master's own, `@!<pid>` hands
// a command to one worker (HAProxy's management guide, chapters 9.3 and 9.4). Answers are plain text without a status: callers
// read back what they set.
import { connect } from 'node:net'
import { messageOf, UnavailableError } from '../../../lib/errors.ts'

export interface Workers {
  readonly version: string
  /** The worker that accepts new connections; null while there is none. */
  readonly current: number | null
  /** Workers before a reload that still have connections. */
  readonly old: readonly number[]
}

/** One line may not be longer than HAProxy's buffer (16 kB). */
const LINE_LIMIT = 8_000

/** The master CLI of HAProxy: one command after another, each with a deadline; `@!PID` reaches a worker. */
export class MasterSocket {
  readonly #path: string
  readonly #deadlineMs: number
  #last: Promise<unknown> = Promise.resolve()

  constructor(path: string, deadlineMs = 5_000) {
    this.#path = path
    this.#deadlineMs = deadlineMs
  }

  /** Which workers there are. Throws UnavailableError `edge.unreachable`. */
  async workers(): Promise<Workers> {
    const text = await this.#ask('show proc')
    const found: { version: string; current: number | null; old: number[] } = { version: 'unknown', current: null, old: [] }
    let section = ''
    for (const line of text.split('\n')) {
      if (line.startsWith('#')) section = line
      const words = line.trim().split(/\s+/)
      const [pid, type] = words
      // Between the two stand counts whose number differs from release to release.
      if (type === 'master') found.version = words.at(-1) ?? 'unknown'
      if (type !== 'worker') continue
      if (section.startsWith('# old')) found.old.push(Number(pid))
      else found.current = Number(pid)
    }
    return found
  }

  /** Hands commands to one worker, in order, and gives all it answered. Throws UnavailableError `edge.worker_silent`. */
  async tell(pid: number, commands: readonly string[]): Promise<string> {
    let answers = ''
    for (const line of linesOf(pid, commands)) {
      const answer = await this.#ask(line).catch((cause: unknown) => {
        throw silent(pid, cause)
      })
      if (answer.includes("Can't find the target PID")) throw silent(pid, new Error(answer.trim()))
      answers += answer
    }
    return answers
  }

  /** Asks the master to start a new worker from the file. It answers nothing and starts itself anew: look at `workers()`. */
  async reload(): Promise<void> {
    await this.#ask('reload')
  }

  /** One line after another: the master serves few connections at a time. */
  #ask(line: string): Promise<string> {
    const turn = this.#last.then(() => this.#exchange(line))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  #exchange(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      const fail = (why: string, cause?: unknown): void => {
        socket.destroy()
        reject(new UnavailableError('edge.unreachable', `HAProxy did not answer on ${this.#path} (${why}). See that it is running.`, { cause }))
      }
      const socket = connect(this.#path)
      socket.setTimeout(this.#deadlineMs, () => fail(`no answer in ${this.#deadlineMs} ms`))
      socket.on('error', (cause) => fail(messageOf(cause), cause))
      socket.on('data', (chunk) => chunks.push(chunk))
      socket.on('end', () => resolve(Buffer.concat(chunks).toString()))
      socket.end(`${line}\n`)
    })
  }
}

function silent(pid: number, cause: unknown): UnavailableError {
  return new UnavailableError('edge.worker_silent', `Worker ${pid} of HAProxy did not answer; it may still serve requests. Lockgate asks it again.`, { cause })
}

function linesOf(pid: number, commands: readonly string[]): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const command of commands) {
    const next = `@!${pid} ${command};`
    if (line.length + next.length > LINE_LIMIT) {
      lines.push(line)
      line = ''
    }
    line += next
  }
  return line === '' ? lines : [...lines, line]
}
