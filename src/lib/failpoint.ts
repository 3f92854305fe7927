// Points at which a test ends this server as `kill -9` would. They are in the product because the moments that matter are
// between two of its lines, where nothing from outside can aim. See docs/decisions/0009-failpoints-behind-two-variables.md.
import { readFileSync, rmSync } from 'node:fs'

/**
 * The file that names the point, and only where a second variable holds a word nobody sets by accident: a test writes the
 * file when it wants the kill, and the kill removes it, so that the server that is started again lives.
 */
export function armingFile(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  return environment['LOCKGATE_TEST_MODE'] === 'crash' ? environment['LOCKGATE_FAILPOINT_FILE'] : undefined
}

const ARMED = armingFile(process.env)

/** How a `kill -9` of oneself comes a moment after an effect has begun: somewhere within it. */
const WITHIN_MS = 15

/** Ends the process like `kill -9` when the file names this point; `name#3` means the third time. Off, it is one comparison. */
export function failpoint(name: string): void {
  if (ARMED !== undefined && strikes(ARMED, name)) die(ARMED)
}

/** The same, but some milliseconds later: whatever is done next is under way then. */
export function failpointWithin(name: string): void {
  if (ARMED !== undefined && strikes(ARMED, name)) setTimeout(() => die(ARMED), WITHIN_MS)
}

/** Does one part of what follows, and ends there: for what is told to another system in one go. */
export async function failpointHalfway(name: string, part: () => Promise<unknown>): Promise<void> {
  if (ARMED === undefined || !strikes(ARMED, name)) return
  await part()
  die(ARMED)
}

/** Counts from when the file was written with what it says now. */
const seen = new Map<string, number>()

function strikes(file: string, name: string): boolean {
  const wanted = wantedIn(file)
  const [point = '', nth = '1'] = wanted.split('#')
  if (point !== name) return false
  const times = (seen.get(wanted) ?? 0) + 1
  seen.set(wanted, times)
  return times === Number(nth)
}

function wantedIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

function die(file: string): void {
  rmSync(file, { force: true })
  process.kill(process.pid, 'SIGKILL')
}
