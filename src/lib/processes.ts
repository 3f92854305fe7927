// The processes of this machine, from /proc: which were started with certain arguments (proc_pid_cmdline(5)), and how to signal one.
import { readdir, readFile } from 'node:fs/promises'
import { hasCode } from './errors.ts'

export interface FoundProcess {
  readonly pid: number
  readonly parent: number
  readonly args: readonly string[]
}

type Matches = (args: readonly string[], pid: number) => boolean | Promise<boolean>

/** Running processes whose command line matches. A process that ends meanwhile, or that may not be read, is left out. */
export async function findProcesses(matches: Matches): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((entry) => /^\d+$/.test(entry)).map(Number)
  const found: FoundProcess[] = []
  for (const pid of pids) {
    const args = (await readOf(pid, 'cmdline')).split('\0').slice(0, -1)
    if (args.length === 0 || !(await matches(args, pid))) continue
    const { state, parent } = parseStat(await readOf(pid, 'stat'))
    if (state !== null && state !== 'Z') found.push({ pid, parent, args })
  }
  return found
}

/** Running processes that were started for one of these paths: their command line, or their LOCKGATE_SETTINGS, contains it. */
export function findProcessesFor(paths: readonly string[]): Promise<FoundProcess[]> {
  return findProcesses(async (args, pid) => {
    const settings = (await readOf(pid, 'environ')).split('\0').find((one) => one.startsWith('LOCKGATE_SETTINGS=')) ?? ''
    return [args.join(' '), settings].some((text) => paths.some((path) => text.includes(path)))
  })
}

function readOf(pid: number, file: 'cmdline' | 'environ' | 'stat'): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
}

/** Fields 3, 4 and 22 of proc_pid_stat(5): the start in clock ticks since the boot. `state` and `start` are null for an empty text. */
export function parseStat(text: string): { readonly state: string | null; readonly parent: number; readonly start: string | null } {
  // The name of the program is in brackets and may contain anything.
  const fields = text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? null, parent: Number(fields[1] ?? 0), start: fields[19] ?? null }
}

/** Sends a signal. A process that has ended is fine. Throws where the process may not be signalled (EPERM). */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}
