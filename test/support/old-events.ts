import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'

/** Events as schema 4 chained them: SHA-256 over the actor's name and the other fields. */
export function chainOfNames(database: DatabaseSync, names: readonly string[]): void {
  let previous = '0'.repeat(64)
  const insert = database.prepare("insert into event (seq, at, kind, actor, project_id, data, previous_hash, hash) values (?, 0, 'old', ?, 'p-1', '{}', ?, ?)")
  for (const [index, name] of names.entries()) {
    const hash = createHash('sha256')
      .update(JSON.stringify([previous, index + 1, 0, 'old', name, 'p-1', null, null, null, {}]))
      .digest('hex')
    insert.run(index + 1, name, previous, hash)
    previous = hash
  }
}
