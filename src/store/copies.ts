// Copies of the database in `backups/`: hourly ones, and those that migrate.ts makes before an upgrade.
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface Copy {
  readonly path: string
  /** When it was made, wall ms. */
  readonly at: number
  readonly bytes: number
  readonly isHourly: boolean
}

const NAME = /^(hourly|lockgate)-(\d+)(-schema-\d+)?\.db$/
const NEWEST_KEPT = 3
const DAYS_KEPT = 4
const DAY_MS = 24 * 60 * 60_000

/** Name of the hourly copy that is made at a wall time. */
export function hourlyName(at: number): string {
  return `hourly-${at}.db`
}

/** All copies, newest first. A folder that is not there has none. */
export function copiesIn(backups: string): Copy[] {
  const found = namesIn(backups).flatMap((name): Copy[] => {
    const [, kind, at] = NAME.exec(name) ?? []
    const path = join(backups, name)
    const bytes = at === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size
    return bytes === undefined ? [] : [{ path, at: Number(at), bytes, isHourly: kind === 'hourly' }]
  })
  return found.toSorted((a, b) => b.at - a.at)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/**
 * Hourly copies that are no longer kept: all but the newest three and the newest of each of four days; of those, the oldest go
 * until the rest fits into `mostBytes`. The newest copy always stays. Pure.
 */
export function copiesToRemove(copies: readonly Copy[], mostBytes: number): Copy[] {
  const hourly = copies.filter((copy) => copy.isHourly).toSorted((a, b) => b.at - a.at)
  const days = [...new Set(hourly.map(({ at }) => dayOf(at)))].slice(0, DAYS_KEPT)
  const kept = hourly.filter((copy, index) => index < NEWEST_KEPT || days.some((day) => hourly.find(({ at }) => dayOf(at) === day) === copy))
  while (kept.length > 1 && kept.reduce((sum, { bytes }) => sum + bytes, 0) > mostBytes) kept.pop()
  return hourly.filter((copy) => !kept.includes(copy))
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS)
}

/** Removes copies; one that is gone already is fine. */
export function removeCopies(copies: readonly Copy[]): void {
  for (const { path } of copies) rmSync(path, { force: true })
}

/** The newest copy that SQLite finds whole, or null. Blocks: only for a server that cannot start. */
export function newestGoodCopy(backups: string): Copy | null {
  return copiesIn(backups).find(({ path }) => isWhole(path)) ?? null
}

function isWhole(path: string): boolean {
  try {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      return database.prepare('pragma quick_check(1)').get()?.['quick_check'] === 'ok'
    } finally {
      database.close()
    }
  } catch {
    return false
  }
}
