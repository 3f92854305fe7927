// Which processes of this machine were started with certain arguments, from /proc (proc_pid_cmdline(5)).
import { readdir, readFile } from 'node:fs/promises'

export interface FoundProcess {
  readonly pid: number
  readonly parent: number
  readonly args: readonly string[]
}

/** Running processes whose command line matches. A process that ends meanwhile, or that may not be read, is left out. */
export async function findProcesses(matches: (args: readonly string[]) => boolean): Promise<FoundProcess[]> {
  const entries = (await readdir('/proc').catch(() => [])).filter((entry) => /^\d+$/.test(entry))
  const found: FoundProcess[] = []
  for (const entry of entries) {
    const args = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0').slice(0, -1)
    if (args.length === 0 || !matches(args)) continue
    const fields = await fieldsOf(entry)
    if (fields !== null && fields[0] !== 'Z') found.push({ pid: Number(entry), parent: Number(fields[1]), args })
  }
  return found
}

/** State and parent (fields 3 and 4 of proc_pid_stat(5)), and what follows. */
async function fieldsOf(pid: string): Promise<readonly string[] | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  // The name of the program is in brackets and may contain anything.
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ')
}
