// Keeps programs alive where there is no systemd: the engine (if bin/up had to start it), the edge, the server.
// They outlive it: one that is killed is found again by the next, by pid and command line.
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { backoffMs } from './lib/backoff.ts'
import { pause } from './lib/clock.ts'
import { writeAtomic } from './lib/files.ts'
import { openLog } from './lib/log.ts'
import { detach } from './lib/run.ts'

/** What to keep alive, written by bin/up to `processes.json`. Started in this order, ended in the opposite one. */
export const Processes = z.array(
  z.strictObject({ name: z.string(), file: z.string(), args: z.array(z.string()), env: z.record(z.string(), z.string()).default({}) }),
)
export type Kept = z.output<typeof Processes>[number]

const LOOK_MS = 200
/** A program that ran this long was well: its next end is the first again. */
const WELL_MS = 10_000
const LOG_BYTES = 20 * 1024 * 1024
const END_MS = 30_000

interface Running {
  readonly kept: Kept
  pid: number
  startedAt: number
  ends: number
  notBefore: number
}

/** Where the pid of a kept program stands. */
export function pidFile(home: string, name: string): string {
  return join(home, 'run', `${name}.pid`)
}

/** The pid in a file, when a program with that command still runs under it. */
export function livePid(path: string, file: string): number | null {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    // A script's command line begins with its interpreter.
    return command.slice(0, 2).some((word) => word === file || word.endsWith(`/${file}`)) && !isZombie(pid) ? pid : null
  } catch {
    return null
  }
}

function isZombie(pid: number): boolean {
  return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

async function main(home: string): Promise<void> {
  const log = openLog('info')
  const running = new Map<string, Running>()
  let stopping = false
  await writeAtomic(pidFile(home, 'supervisor'), `${process.pid}\n`)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopping = true
    })
  }
  log.info('supervisor started', { home, pid: process.pid })
  while (!stopping) {
    const wanted = Processes.parse(JSON.parse(readFileSync(join(home, 'processes.json'), 'utf8')))
    for (const kept of wanted) {
      const one = running.get(kept.name) ?? { kept, pid: 0, startedAt: 0, ends: 0, notBefore: 0 }
      running.set(kept.name, one)
      await keep(home, { ...one, kept }).then((next) => running.set(kept.name, next))
      bound(join(home, 'log', `${kept.name}.log`))
    }
    await pause(LOOK_MS)
  }
  for (const one of [...running.values()].reverse()) await end(home, one)
  await rm(pidFile(home, 'supervisor'), { force: true })
  log.info('supervisor ended', { home })
}

async function keep(home: string, one: Running): Promise<Running> {
  const pid = livePid(pidFile(home, one.kept.name), one.kept.file)
  const now = performance.now()
  if (pid !== null) return { ...one, pid, startedAt: one.pid === pid ? one.startedAt : now }
  if (one.pid !== 0) {
    const ends = now - one.startedAt > WELL_MS ? 1 : one.ends + 1
    const wait = ends === 1 ? 0 : backoffMs(ends - 1, 200, 10_000)
    openLog('info').warn('a program ended and is started again', { name: one.kept.name, pid: one.pid, ends, waitMs: wait })
    return { ...one, pid: 0, ends, notBefore: now + wait }
  }
  if (now < one.notBefore) return one
  const output = openSync(join(home, 'log', `${one.kept.name}.log`), 'a', 0o640)
  try {
    const started = detach(one.kept.file, one.kept.args, { log: output, env: one.kept.env })
    await writeAtomic(pidFile(home, one.kept.name), `${started}\n`)
    return { ...one, pid: started, startedAt: now }
  } finally {
    closeSync(output)
  }
}

async function end(home: string, one: Running): Promise<void> {
  const path = pidFile(home, one.kept.name)
  const deadline = performance.now() + END_MS
  for (let pid = livePid(path, one.kept.file), first = true; pid !== null; pid = livePid(path, one.kept.file), first = false) {
    const late = performance.now() > deadline
    if (first || late) process.kill(pid, late ? 'SIGKILL' : 'SIGTERM')
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
