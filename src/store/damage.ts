// A database that SQLite cannot read: what is said, and how it is restored.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, messageOf, RejectedError, sqliteCodeOf } from '../lib/errors.ts'
import { copiesIn, newestGoodCopy } from './copies.ts'

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** Whether this result code of SQLite says that the file is damaged. */
export function isDamage(errcode: number): boolean {
  return [SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff)
}

/** The error of a statement that met damage while the server runs. */
export function damagedError(cause: string): RejectedError {
  return new RejectedError('store.damaged', `The database is damaged (${cause}). Run "lockgate doctor": it names the newest copy.`, { cause })
}

/** Throws RejectedError `store.damaged` where the file is missing or empty although there are copies: SQLite would begin a new one. */
export function refuseEmptied(directory: string): void {
  const size = statSync(join(directory, 'lockgate.db'), { throwIfNoEntry: false })?.size
  const backups = join(directory, 'backups')
  if ((size !== undefined && size > 0) || copiesIn(backups).length === 0) return
  throw damagedError(
    `the file ${size === undefined ? 'is missing' : 'has 0 bytes'}, and ${backups} has copies of it; move those away to begin a new installation`,
  )
}

/** What stopped the database from being opened: damage with the command that restores the newest good copy, else the error itself. */
export function openingError(error: unknown, place: { readonly directory: string; readonly now: number }): unknown {
  if (!isDamage(sqliteCodeOf(error)) && codeOf(error) !== 'store.damaged') return error
  const { directory, now } = place
  const path = join(directory, 'lockgate.db')
  const copy = newestGoodCopy(join(directory, 'backups'))
  const what = `The database ${path} is damaged, so the server cannot start: ${causeOf(error)}.`
  if (copy === null) {
    return new RejectedError(
      'store.damaged',
      `${what} ${join(directory, 'backups')} has no good copy: restore ${path} from a backup of your own, or save what is readable with "sqlite3 ${path} .recover".`,
    )
  }
  const aside = join(directory, `damaged-${now}`)
  return new RejectedError(
    'store.damaged',
    `${what} The newest good copy is ${copy.path}, made ${new Date(copy.at).toISOString()}; changes since then are lost. Restore it, then start the server:\n  mkdir ${aside} && cp ${copy.path} ${aside}/restored.db && { mv ${path}* ${aside}/ ; mv ${aside}/restored.db ${path}; }`,
  )
}

function causeOf(error: unknown): string {
  return error instanceof RejectedError && typeof error.cause === 'string' ? error.cause : messageOf(error)
}
