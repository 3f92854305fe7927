// Which process is meant by a pid that somebody wrote down: the number alone may be another process by now.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import { parseStat } from './processes.ts'

/** Long enough for two numbers: a file of this size is written again in place, also on a full disk. */
const WIDTH = 48

/** Writes a pid with the time its process started. Throws what the file system throws. */
export function writePid(path: string, pid: number): void {
  const text = `${pid} ${startOf(pid) ?? ''}`.trimEnd().padEnd(WIDTH - 1)
  const file = openForWriting(path)
  try {
    writeSync(file, `${text}\n`, 0)
  } finally {
    closeSync(file)
  }
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'r+')
  } catch {
    return openSync(path, 'w', 0o644)
  }
}

/**
 * The pid in a file, when that very process still runs: by the time it started. A file without that time (of an older Lockgate)
 * counts when a program of this name runs under the pid.
 */
export function livePid(path: string, program: string): number | null {
  const [number = '', start] = readText(path).trim().split(/\s+/)
  const pid = Number(number)
  if (!Number.isInteger(pid) || pid <= 0) return null
  if (start !== undefined) return startOf(pid) === start ? pid : null
  return runs(pid, program) ? pid : null
}

/** Whether a program of this name runs under a pid. */
export function runs(pid: number, program: string): boolean {
  if (pid <= 0 || startOf(pid) === null) return false
  // A script's command line begins with its interpreter.
  const command = readText(`/proc/${pid}/cmdline`).split('\0').slice(0, 2)
  return command.some((word) => basename(word) === basename(program))
}

/** When a process started, in clock ticks since the boot; null: it does not run. */
function startOf(pid: number): string | null {
  const { state, start } = parseStat(readText(`/proc/${pid}/stat`))
  return state === 'Z' ? null : start
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
