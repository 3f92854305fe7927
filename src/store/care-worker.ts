// One task on the database in a thread of its own: reading a large file must not delay requests.
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf, sqliteCodeOf } from '../lib/errors.ts'

export type CareTask =
  | { readonly kind: 'check'; readonly path: string; readonly pragma: 'quick_check' | 'integrity_check' }
  | { readonly kind: 'copy'; readonly path: string; readonly to: string }

/** `damage`: what a check found, null for nothing; always null for a copy. */
export type CareAnswer = { readonly damage: string | null } | { readonly error: string; readonly errcode: number }

const port = parentPort
if (!port) throw new Error('care-worker.ts runs as a worker thread only')
port.postMessage(answer(workerData as CareTask))

function answer(task: CareTask): CareAnswer {
  try {
    const database = new DatabaseSync(task.path, { readOnly: true })
    try {
      database.exec('pragma busy_timeout = 5000')
      if (task.kind === 'check') return { damage: damageOf(database, task.pragma) }
      database.prepare('vacuum into ?').run(task.to)
      return { damage: null }
    } finally {
      database.close()
    }
  } catch (error) {
    return { error: messageOf(error), errcode: sqliteCodeOf(error) }
  }
}

function damageOf(database: DatabaseSync, pragma: 'quick_check' | 'integrity_check'): string | null {
  // At most three lines: the first names the damage, and one page can break thousands of rows.
  const rows = database.prepare(`pragma ${pragma}(3)`).all()
  const lines = rows.flatMap((row) => Object.values(row).map(String))
  return lines.length === 1 && lines[0] === 'ok' ? null : lines.join('; ')
}
