// Kysely over node:sqlite: writes through the worker thread, reads on a read-only connection of this thread.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { codeOf, messageOf, type PlatformError, sqliteCodeOf, UnavailableError } from '../lib/errors.ts'
import { damagedError, isDamage } from './damage.ts'
import type { Answer } from './sqlite-worker.ts'

const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const SQLITE_IOERR = 10

interface Pending {
  readonly resolve: (answer: { readonly rows: readonly Record<string, unknown>[]; readonly changes: number }) => void
  readonly reject: (error: Error) => void
}

/** The connection to the writing thread; statements are answered in the order they were sent. */
export class SqliteWriter {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #next = 1
  #closed: (() => void) | null = null

  constructor(path: string) {
    const file = import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js'
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: path, resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 } })
    this.#worker.on('message', (message: Answer | 'closed') => this.#receive(message))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the writing thread ended')))
    this.#worker.unref()
  }

  execute(sql: string, parameters: readonly unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[]; readonly changes: number }> {
    return new Promise((resolve, reject) => {
      const id = this.#next++
      this.#pending.set(id, { resolve, reject })
      this.#worker.ref()
      this.#worker.postMessage({ id, sql, parameters: parameters.map(toSql) })
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve
      this.#worker.ref()
      this.#worker.postMessage('close')
    })
  }

  #receive(message: Answer | 'closed'): void {
    if (message === 'closed') return this.#closed?.()
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (this.#pending.size === 0) this.#worker.unref()
    if ('error' in message) pending?.reject(storeError(message.error))
    else pending?.resolve(message)
  }

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
    this.#closed?.()
  }
}

/** SQLite's answer in our words; a constraint's text is for the noun's store to understand, so it passes as it is. */
function storeError(error: { readonly message: string; readonly errcode: number }): Error | PlatformError {
  const primary = error.errcode & 0xff
  if (primary === SQLITE_BUSY) return new UnavailableError('store.busy', 'The database is busy; nothing was changed. Try again.', { cause: error.message })
  if (primary === SQLITE_FULL || primary === SQLITE_IOERR) {
    return new UnavailableError(
      'store.disk_full',
      `The database cannot be written (${error.message}); nothing was changed. Free space on the disk of the data directory.`,
    )
  }
  if (isDamage(error.errcode)) return damagedError(error.message)
  return new Error(`SQLite: ${error.message}`)
}

function toSql(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value === undefined) return null
  return value as SQLInputValue
}

/** A connection that only reads, in this thread: WAL readers never wait for the writer. */
export class SqliteReader {
  readonly #database: DatabaseSync

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true })
    this.#database.exec('pragma busy_timeout = 5000')
  }

  execute(sql: string, parameters: readonly unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[]; readonly changes: number }> {
    try {
      return Promise.resolve({ rows: this.#database.prepare(sql).all(...parameters.map(toSql)), changes: 0 })
    } catch (error) {
      return Promise.reject(isDamage(sqliteCodeOf(error)) ? damagedError(messageOf(error)) : error)
    }
  }

  close(): Promise<void> {
    this.#database.close()
    return Promise.resolve()
  }
}

type Executor = SqliteWriter | SqliteReader

/** As sqlite-worker.ts sets it. */
const BUSY_MS = 5_000
const AGAIN_MS = 200

/** One connection for all, one holder at a time: SQLite has one writer, and readers here are synchronous. */
class SingleConnectionDriver implements Driver {
  readonly #executor: Executor
  readonly #waiting: (() => void)[] = []
  /** Another process had the database for longer than we wait: those that come next ask, and do not wait as long again. */
  #locked = false
  #held = false

  constructor(executor: Executor) {
    this.#executor = executor
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#held = true
    const executor = this.#executor
    return {
      async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
        const { rows, changes } = await executor.execute(query.sql, query.parameters)
        return { rows: rows as R[], numAffectedRows: BigInt(changes) }
      },
      // biome-ignore lint/correctness/useYield: the interface asks for a generator; we never stream
      async *streamQuery(): AsyncIterableIterator<never> {
        throw new Error('streaming is not used')
      },
    }
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
    } catch (error) {
      if (codeOf(error) === 'store.busy' && !this.#locked) await this.#wait(connection, AGAIN_MS)
      this.#locked ||= codeOf(error) === 'store.busy'
      throw error
    }
    if (this.#locked) await this.#wait(connection, BUSY_MS)
    this.#locked = false
  }

  /** How long a statement waits for another process that has the database. */
  async #wait(connection: DatabaseConnection, ms: number): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`pragma busy_timeout = ${ms}`))
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // After SQLITE_FULL and the like SQLite has rolled back by itself, and says so by refusing.
    await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => undefined)
  }

  async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#held = false
  }

  async destroy(): Promise<void> {
    await this.#executor.close()
  }
}

/** Kysely over one of our connections: the writing thread, or a reader. */
export function sqliteDialect(executor: Executor): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new SingleConnectionDriver(executor),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}
