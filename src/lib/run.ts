// The only file that starts programs: an argument list, never a line for a shell (D1).
import { type ChildProcess, spawn } from 'node:child_process'
import { UnavailableError } from './errors.ts'

export interface RunOptions {
  readonly cwd?: string
  /** The whole environment of the program beside PATH; nothing else is inherited. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  readonly signal?: AbortSignal
  /** Ends the program after so many milliseconds; default 60,000. */
  readonly timeoutMs?: number
  /** Resolve for any exit status instead of throwing. */
  readonly anyStatus?: boolean
  readonly uid?: number
}

export interface RunResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output as it came. */
  readonly bytes: Uint8Array
}

const OUTPUT_LIMIT = 16 * 1024 * 1024

/**
 * Runs a program to its end and gives what it printed (at most 16 MiB of each stream).
 * Throws UnavailableError `run.failed` when it cannot be started, exits non-zero, or is ended by signal or deadline.
 */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = launch(file, args, options)
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
    const out: Buffer[] = []
    const err: Buffer[] = []
    collect(child.stdout, out)
    collect(child.stderr, err)
    child.on('error', (cause) => {
      clearTimeout(timer)
      reject(new UnavailableError('run.failed', `${file} could not be started: ${cause.message}`, { cause }))
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const bytes = Buffer.concat(out)
      const result = { status: code ?? 128, stdout: bytes.toString(), stderr: Buffer.concat(err).toString(), bytes }
      if (code === 0 || (options.anyStatus && code !== null)) return resolve(result)
      const how = code === null ? `was ended by ${signal}` : `exited with ${code}`
      reject(new UnavailableError('run.failed', `${file} ${args[0] ?? ''} ${how}: ${result.stderr.trim().slice(-2000)}`))
    })
    // A program that does not read its input closes the pipe: its exit status tells, not this stream.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input ?? '')
  })
}

/** Starts a program whose streams the caller handles; the same rules as `run`. */
export function launch(file: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
}

/**
 * The same with a bound of the program's heap (and that of each program it starts) in bytes: RLIMIT_DATA, by prlimit(1).
 */
export function launchBounded(file: string, args: readonly string[], options: RunOptions & { readonly dataBytes: number }): ChildProcess {
  return launch('prlimit', [`--data=${options.dataBytes}`, '--', file, ...args], options)
}

export interface DetachOptions {
  /** An open file its output is appended to. */
  readonly log: number
  readonly env?: Readonly<Record<string, string>>
  /** Open files it gets as 3, 4 and so on. */
  readonly files?: readonly number[]
}

/** Starts a program in a session of its own that outlives us. Gives its pid. */
export function detach(file: string, args: readonly string[], options: DetachOptions): number {
  const child = spawn(file, args, {
    detached: true,
    stdio: ['ignore', options.log, options.log, ...(options.files ?? [])],
    env: { ...process.env, ...options.env },
  })
  child.on('error', () => undefined)
  child.unref()
  if (child.pid === undefined) throw new UnavailableError('run.failed', `${file} could not be started`)
  return child.pid
}

function collect(stream: NodeJS.ReadableStream | null, into: Buffer[]): void {
  let size = 0
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= OUTPUT_LIMIT) into.push(chunk)
  })
}
