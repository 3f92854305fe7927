import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout that is set up. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Where everything of one installation lies. */
export interface Places {
  readonly home: string
  readonly settings: string
  readonly secrets: string
  readonly data: string
  /** Installed for the whole machine: systemd units and a command on PATH belong to it. */
  readonly system: boolean
}

/** `--home DIR` keeps everything in one folder; without it data and settings go where Debian has them. */
export function placesOf(home: string | null): Places {
  if (home !== null) return { home, settings: join(home, 'settings.json'), secrets: join(home, 'secrets'), data: join(home, 'data'), system: false }
  return { home: '/var/lib/lockgate', settings: '/etc/lockgate/settings.json', secrets: '/etc/lockgate/secrets', data: '/var/lib/lockgate/data', system: true }
}

/** systemd is there and runs this machine. */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** A step that says what to do; bin/up ends with it. */
export class SetupError extends Error {}

/** One line of progress. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Says what the person can do, and ends. */
export async function main(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(`lockgate: ${error.message}`)
    process.exit(1)
  }
}
