// Keeps programs alive where there is no systemd: the engine (if bin/up had to start it), the edge, the server.
// They outlive it: one that is killed is found again by the next, by pid and command line. What they listen on is held here, so
// that a program that dies leaves its callers waiting and not refused. A new supervisor cannot get back the sockets of one that
// was killed: the program that has them serves on, and opens them with the supervisor anew when it is started again.
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { backoffMs } from './lib/backoff.ts'
import { pause } from './lib/clock.ts'
import { messageOf } from './lib/errors.ts'
import { holdExclusively } from './lib/exclusive.ts'
import { type HeldSocket, holdSocket, type ListenAddress } from './lib/held-socket.ts'
import { type Log, openLog } from './lib/log.ts'
import { livePid, runs, writePid } from './lib/pid-file.ts'
import { signal } from './lib/processes.ts'
import { detach, run } from './lib/run.ts'
import { SignOfLife } from './lib/sign-of-life.ts'
import { StandIn } from './lib/stand-in.ts'

/** A socket that is opened for a program: it finds its number in the environment variable of this name. */
const Listen = z.strictObject({ variable: z.string().regex(/^LOCKGATE_FD_\w+$/), address: z.string(), port: z.number() })

/** What to keep alive, written by bin/up to `processes.json`. Started in this order, ended in the opposite one. */
export const Processes = z.array(
  z.strictObject({
    name: z.string(),
    file: z.string(),
    args: z.array(z.string()),
    env: z.record(z.string(), z.string()).default({}),
    listen: z.array(Listen).default([]),
    /** Asked over HTTP for a sign of life; a program that is silent for too long is killed and started again. */
    alive: z.url().optional(),
    /** Arguments with which it says whether it could start: while it could not, callers in its sockets are answered for it. */
    check: z.array(z.string()).optional(),
  }),
)
export type Kept = z.output<typeof Processes>[number]

const LOOK_MS = 200
/** So long every question for a sign of life may go unanswered: a program that hangs (stopped, swapped out, a stuck disk) is none. */
const SILENT_MS = 15_000
/** A program that ran this long was well: its next end is the first again. */
const WELL_MS = 10_000
const LOG_BYTES = 20 * 1024 * 1024
const END_MS = 30_000
/** A program that ends again and again is started after at most so long; sooner, where callers wait in its sockets. */
const MOST_WAIT_MS = 10_000
const MOST_WAIT_WITH_CALLERS_MS = 1_000
/** The first of a program's open files that is not input or output. */
const FIRST_FILE = 3

interface Running {
  readonly kept: Kept
  pid: number
  startedAt: number
  ends: number
  notBefore: number
  readonly life: SignOfLife | null
  readonly standIn: StandIn
}

/** Where the pid of a kept program stands. */
export function pidFile(home: string, name: string): string {
  return join(home, 'run', `${name}.pid`)
}

/** One keeper for one home, for life. False: another keeper has it. A disk on which nothing can be locked stops no keeper. */
async function holdHome(home: string, log: Log): Promise<boolean> {
  const held = await tryTo(log, () => ({ lock: holdExclusively(join(home, 'run', 'keeper.lock')) }))
  // Referenced for as long as the process runs.
  if (held?.lock) process.once('exit', held.lock.release)
  return held === null || held.lock !== null
}

async function main(home: string): Promise<void> {
  const log = openLog('info')
  const running = new Map<string, Running>()
  const sockets = new Sockets()
  let stopping = false
  if (!(await holdHome(home, log))) {
    log.warn('another supervisor keeps this home; this one ends', { home })
    return
  }
  // A keeper of last resort does not end by a fault of its own, whatever is full or broken.
  process.on('uncaughtException', (error) => log.error('the supervisor goes on after a fault', { error }))
  process.on('unhandledRejection', (error) => log.error('the supervisor goes on after a fault', { error }))
  await tryTo(log, () => writePid(pidFile(home, 'supervisor'), process.pid))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopping = true
    })
  }
  log.info('supervisor started', { home, pid: process.pid })
  let wanted: readonly Kept[] = []
  while (!stopping) {
    wanted = (await tryTo(log, () => Processes.parse(JSON.parse(readFileSync(join(home, 'processes.json'), 'utf8'))))) ?? wanted
    for (const kept of wanted) {
      const one = running.get(kept.name) ?? {
        kept,
        pid: 0,
        startedAt: 0,
        ends: 0,
        notBefore: 0,
        life: kept.alive === undefined ? null : new SignOfLife(kept.alive),
        standIn: new StandIn(),
      }
      running.set(kept.name, one)
      running.set(kept.name, (await tryTo(log, () => keep(home, { ...one, kept }, sockets))) ?? one)
      bound(join(home, 'log', `${kept.name}.log`))
    }
    await pause(LOOK_MS)
  }
  for (const one of [...running.values()].reverse()) {
    one.standIn.stop()
    await end(home, one)
  }
  await rm(pidFile(home, 'supervisor'), { force: true })
  log.info('supervisor ended', { home })
}

/** The value of a work, or null when it failed: that is said, and tried again at the next look. */
async function tryTo<T>(log: Log, work: () => T | Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    log.error('the supervisor could not do something and tries again', { error: messageOf(error) })
    return null
  }
}

async function keep(home: string, one: Running, sockets: Sockets): Promise<Running> {
  const pid = pidOf(home, one)
  const now = performance.now()
  if (pid !== null) {
    if (one.pid !== pid) one.life?.reset()
    else if ((one.life?.silentMs() ?? 0) >= SILENT_MS) {
      openLog('info').warn('a program gives no sign of life and is killed', { name: one.kept.name, pid, alive: one.kept.alive })
      signal(pid, 'SIGKILL')
    }
    return { ...one, pid, startedAt: one.pid === pid ? one.startedAt : now }
  }
  if (one.pid !== 0) {
    // Only a start that fails is tried more and more seldom: what was well and was killed comes back at once.
    const ends = now - one.startedAt > WELL_MS || one.life?.wasHeard() ? 1 : one.ends + 1
    one.life?.forget()
    const wait = ends === 1 ? 0 : backoffMs(ends - 1, 200, one.kept.listen.length > 0 ? MOST_WAIT_WITH_CALLERS_MS : MOST_WAIT_MS)
    openLog('info').warn('a program ended and is started again', { name: one.kept.name, pid: one.pid, ends, waitMs: wait })
    if (ends > 1 && !(await isStartable(one.kept))) one.standIn.start(sockets.of(one.kept.listen).files)
    return { ...one, pid: 0, ends, notBefore: now + wait }
  }
  if (now < one.notBefore) return one
  one.standIn.stop()
  const output = openLogFile(join(home, 'log', `${one.kept.name}.log`))
  try {
    const { files, env } = sockets.of(one.kept.listen)
    const started = detach(one.kept.file, one.kept.args, { log: output, env: { ...one.kept.env, ...env }, files })
    await tryTo(openLog('info'), () => writePid(pidFile(home, one.kept.name), started))
    return { ...one, pid: started, startedAt: now }
  } finally {
    closeSync(output)
  }
}

async function isStartable({ file, check }: Kept): Promise<boolean> {
  if (check === undefined) return true
  return run(file, check, { anyStatus: true, timeoutMs: 10_000 }).then(
    ({ status }) => status === 0,
    () => false,
  )
}

/** What was written down, or what this supervisor started itself and could not write down. */
function pidOf(home: string, { kept, pid }: Pick<Running, 'kept' | 'pid'>): number | null {
  return livePid(pidFile(home, kept.name), kept.file) ?? (runs(pid, kept.file) ? pid : null)
}

/** Without space or permission the program runs all the same, and says nothing. */
function openLogFile(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch {
    return openSync('/dev/null', 'a')
  }
}

/** Listening sockets for as long as the supervisor lives. */
class Sockets {
  readonly #held = new Map<string, HeldSocket>()

  /** Those of a program: opened where they are not yet. One that cannot be opened is left to the program itself. */
  of(listen: readonly (ListenAddress & { readonly variable: string })[]): { readonly files: readonly number[]; readonly env: Record<string, string> } {
    const files: number[] = []
    const env: Record<string, string> = {}
    for (const one of listen) {
      const key = `${one.address} ${one.port}`
      const socket = this.#held.get(key) ?? holdSocket(one)
      if (socket === null) {
        openLog('info').warn('an address is taken; the program tries it itself', { address: one.address, port: one.port })
        continue
      }
      this.#held.set(key, socket)
      env[one.variable] = String(FIRST_FILE + files.length)
      files.push(socket.fd)
    }
    for (const [key, socket] of this.#held) {
      if (listen.length === 0 || listen.some((one) => key === `${one.address} ${one.port}`)) continue
      socket.close()
      this.#held.delete(key)
    }
    return { files, env }
  }
}

async function end(home: string, one: Running): Promise<void> {
  const path = pidFile(home, one.kept.name)
  const deadline = performance.now() + END_MS
  for (let pid = pidOf(home, one), first = true; pid !== null; pid = pidOf(home, one), first = false) {
    const late = performance.now() > deadline
    if (first || late) signal(pid, late ? 'SIGKILL' : 'SIGTERM')
    await pause(50)
  }
  await rm(path, { force: true })
}

/** A log that is full is copied aside and begun anew; its writer appends, and need not know. */
function bound(path: string): void {
  try {
    if (statSync(path).size < LOG_BYTES) return
    copyFileSync(path, `${path}.1`)
    const file = openSync(path, 'r+')
    ftruncateSync(file, 0)
    closeSync(file)
  } catch {
    // No log yet, or a full disk: the programs matter more than what they say.
  }
}

if (import.meta.main) {
  const home = process.argv[2]
  if (home === undefined) throw new Error('usage: supervisor HOME')
  await main(home)
}
