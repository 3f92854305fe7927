import { DatabaseSync } from 'node:sqlite'
import { sqliteCodeOf } from './errors.ts'

const SQLITE_BUSY = 5

/**
 * Holds a file for the life of this process: an exclusive transaction on a database of its own, which the kernel frees with the
 * process. Null: another process holds it. Throws what SQLite throws when the file cannot be opened or locked otherwise.
 */
export function holdExclusively(path: string): { readonly release: () => void } | null {
  const lock = new DatabaseSync(path)
  try {
    lock.exec('pragma busy_timeout = 0; begin exclusive')
    return { release: () => lock.close() }
  } catch (error) {
    lock.close()
    if (sqliteCodeOf(error) % 256 === SQLITE_BUSY) return null
    throw error
  }
}
