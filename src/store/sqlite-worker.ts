// The one writer, in a thread of its own: a slow fsync must not stop probes, streams or a push.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf, sqliteCodeOf } from '../lib/errors.ts'

export interface Statement {
  readonly id: number
  readonly sql: string
  readonly parameters: readonly SQLInputValue[]
}

export type Answer =
  | { readonly id: number; readonly rows: readonly Record<string, unknown>[]; readonly changes: number }
  | { readonly id: number; readonly error: { readonly message: string; readonly errcode: number } }

const port = parentPort
if (!port) throw new Error('sqlite-worker.ts runs as a worker thread only')

const database = new DatabaseSync(String(workerData))
database.exec('pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;')

port.on('message', (statement: Statement | 'close') => {
  if (statement === 'close') {
    database.close()
    port.postMessage('closed')
    port.close()
    return
  }
  port.postMessage(answer(statement))
})

function answer(statement: Statement): Answer {
  try {
    const prepared = database.prepare(statement.sql)
    if (prepared.columns().length > 0) return { id: statement.id, rows: prepared.all(...statement.parameters), changes: 0 }
    const result = prepared.run(...statement.parameters)
    return { id: statement.id, rows: [], changes: Number(result.changes) }
  } catch (error) {
    return { id: statement.id, error: { message: messageOf(error), errcode: sqliteCodeOf(error) } }
  }
}
