import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { ConflictError } from '../lib/errors.ts'

interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
}

export interface MigrateOptions {
  readonly path: string
  readonly backups: string
  readonly now: number
  readonly software: string
}

const KEPT_BACKUPS = 5

/**
 * Brings a database to the newest schema; each migration is one transaction. An existing database that other software
 * wrote is first copied whole (VACUUM INTO) to `backups/`. Throws ConflictError `store.newer_schema`.
 */
export function migrate(options: MigrateOptions): void {
  const migrations = readMigrations()
  const newest = migrations.at(-1)?.number ?? 0
  const database = new DatabaseSync(options.path)
  try {
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')
    const current = Number(database.prepare('pragma user_version').get()?.['user_version'] ?? 0)
    if (current > newest) {
      throw new ConflictError(
        'store.newer_schema',
        `The database has schema ${current}, this Lockgate knows up to ${newest}. Start the newer Lockgate that wrote it, or restore a copy from ${options.backups}.`,
      )
    }
    if (current > 0 && (current < newest || writtenBy(database) !== options.software)) backUp(database, options, current)
    for (const migration of migrations) if (migration.number > current) apply(database, migration)
    database.prepare("insert into meta (name, value) values ('software', ?) on conflict (name) do update set value = excluded.value").run(options.software)
  } finally {
    database.close()
  }
}

function writtenBy(database: DatabaseSync): string | null {
  const row = database.prepare("select value from meta where name = 'software'").get()
  return row ? String(row['value']) : null
}

function backUp(database: DatabaseSync, options: MigrateOptions, schema: number): void {
  mkdirSync(options.backups, { recursive: true, mode: 0o700 })
  database.prepare('vacuum into ?').run(join(options.backups, `lockgate-${options.now}-schema-${schema}.db`))
  const old = readdirSync(options.backups)
    .filter((file) => file.startsWith('lockgate-'))
    .sort()
    .slice(0, -KEPT_BACKUPS)
  for (const file of old) rmSync(join(options.backups, file))
}

function apply(database: DatabaseSync, migration: Migration): void {
  database.exec('begin immediate')
  try {
    database.exec(migration.sql)
    database.exec(`pragma user_version = ${migration.number}`)
    database.exec('commit')
  } catch (error) {
    database.exec('rollback')
    throw error
  }
}

function readMigrations(): Migration[] {
  const folder = fileURLToPath(new URL('./migrations/', import.meta.url))
  return readdirSync(folder)
    .filter((file) => /^\d{4}-.*\.sql$/.test(file))
    .sort()
    .map((file) => ({ number: Number(file.slice(0, 4)), name: file, sql: readFileSync(join(folder, file), 'utf8') }))
}
