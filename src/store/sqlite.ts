import { chmodSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Kysely } from 'kysely'
import { EVERYTHING, PLATFORM } from '../core/actor/actor.ts'
import type { Event, EventFault, NewEvent } from '../core/event/event.ts'
import type { Clock } from '../lib/clock.ts'
import { ConflictError } from '../lib/errors.ts'
import { holdExclusively } from '../lib/exclusive.ts'
import { randomWord } from '../lib/ids.ts'
import type { Audit } from './audit.ts'
import { openingError, refuseEmptied } from './damage.ts'
import { GENESIS } from './event-chain.ts'
import { append, EVENTS, EventGuard, eventsAfter } from './event-log.ts'
import { migrate } from './migrate.ts'
import { type Db, Records, type Tables } from './records.ts'
import { SqliteReader, SqliteWriter, sqliteDialect } from './sqlite-dialect.ts'
import type { Commit, Nouns, ReadStore, Store, Tx } from './types.ts'

export interface SqliteOptions {
  readonly directory: string
  readonly clock: Clock
  /** Key and anchor of the log of events: from another directory than this database. */
  readonly audit: Audit
  /** Of this Lockgate: when it differs from the one that last wrote, the database is copied first. */
  readonly software: string
}

/**
 * Opens the database of a data directory, making or migrating it. Throws ConflictError `store.in_use` when another server
 * has the directory, `store.newer_schema` when a newer Lockgate wrote it; RejectedError `store.damaged` with the command that
 * restores the newest good copy.
 */
export async function openSqlite(options: SqliteOptions): Promise<Store> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  const lock = lockDirectory(options.directory)
  try {
    const path = join(options.directory, 'lockgate.db')
    refuseEmptied(options.directory)
    migrate({ path, backups: join(options.directory, 'backups'), now: options.clock.now(), software: options.software })
    chmodSync(path, 0o600)
    const writer = new Kysely<Tables>({ dialect: sqliteDialect(new SqliteWriter(path)) })
    const reader = new Kysely<Tables>({ dialect: sqliteDialect(new SqliteReader(path)) })
    const { epoch, installation } = await startEpoch(writer)
    const guard = new EventGuard(options.audit)
    const store = new SqliteStore({ writer, reader, lock, epoch, installation, clock: options.clock, guard })
    await noteMissing(store, guard, options.clock)
    return store
  } catch (error) {
    lock.release()
    throw openingError(error, { directory: options.directory, now: options.clock.now() })
  }
}

/** A database that has fewer events than there were: the log goes on, and says so in an event. */
async function noteMissing(store: Store, guard: EventGuard, clock: Clock): Promise<void> {
  const newest = (await store.read.events.list(EVERYTHING, { orderBy: 'seq', descending: true, limit: 1 }))[0]
  const gap = guard.missing(newest?.seq ?? 0)
  if (gap === null) return
  guard.goOn(gap, { hash: newest?.hash ?? GENESIS, at: clock.now() })
  await store.transaction((tx) => tx.record({ kind: 'events.missing', actor: PLATFORM, projectId: 'installation', data: gap }))
}

/** One server for one directory. Throws ConflictError `store.in_use`. */
function lockDirectory(directory: string): Held {
  const lock = holdExclusively(join(directory, 'server.lock'))
  if (lock === null)
    throw new ConflictError('store.in_use', `Another Lockgate server uses ${directory}. Stop it first, or give this one a data directory of its own.`)
  return lock
}

type Held = NonNullable<ReturnType<typeof holdExclusively>>

async function startEpoch(db: Db): Promise<{ epoch: number; installation: string }> {
  return db.transaction().execute(async (tx) => {
    const epoch = Number((await readMeta(tx, 'epoch')) ?? 0) + 1
    await writeMeta(tx, 'epoch', String(epoch))
    const installation = (await readMeta(tx, 'installation')) ?? randomWord(6)
    await writeMeta(tx, 'installation', installation)
    return { epoch, installation }
  })
}

async function readMeta(db: Db, name: string): Promise<string | null> {
  const row = await db.selectFrom('meta').select('value').where('name', '=', name).executeTakeFirst()
  return row ? String(row['value']) : null
}

async function writeMeta(db: Db, name: string, value: string): Promise<void> {
  await db
    .insertInto('meta')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

interface Parts {
  readonly writer: Db
  readonly reader: Db
  readonly lock: Held
  readonly epoch: number
  readonly installation: string
  readonly clock: Clock
  readonly guard: EventGuard
}

class SqliteStore implements Store {
  readonly read: ReadStore
  readonly epoch: number
  readonly installation: string
  readonly #parts: Parts
  readonly #listeners = new Set<(commit: Commit) => void>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.epoch = parts.epoch
    this.installation = parts.installation
    this.read = {
      ...nouns(parts.reader),
      eventsAfter: (scope, seq, limit) => eventsAfter(parts.reader, { scope, seq, limit }),
      edgeGeneration: () => edgeGeneration(parts.reader),
    }
  }

  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const done: Mutable<Commit> = { events: [], edgeGeneration: null }
    const result = await this.#parts.writer.transaction().execute((db) => work(openTx(db, done, this.#parts)))
    this.#parts.guard.written(done.events)
    for (const listener of this.#listeners) listener(done)
    return result
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  verifyEvents(): Promise<EventFault | null> {
    return this.#parts.guard.verify(this.#parts.reader, this.#parts.clock.now())
  }

  async close(): Promise<void> {
    await this.#parts.guard.flush()
    await this.#parts.writer.destroy()
    await this.#parts.reader.destroy()
    this.#parts.lock.release()
  }
}

function nouns(db: Db) {
  return {
    projects: new Records<Nouns['projects']>(db, { table: 'project' }),
    apps: new Records<Nouns['apps']>(db, { table: 'app', json: ['watch'] }),
    environments: new Records<Nouns['environments']>(db, { table: 'environment', json: ['wish', 'strategy', 'share', 'hold', 'watchPolicy', 'watch'] }),
    domains: new Records<Nouns['domains']>(db, { table: 'domain', key: 'host' }),
    configRevisions: new Records<Nouns['configRevisions']>(db, { table: 'config_revision', json: ['actor', 'values'] }),
    secretVersions: new Records<Nouns['secretVersions']>(db, { table: 'secret_version', json: ['sealed'] }),
    artifacts: new Records<Nouns['artifacts']>(db, { table: 'artifact', json: ['runSpec', 'buildValues'] }),
    releases: new Records<Nouns['releases']>(db, { table: 'release', json: ['actor', 'runSpec'] }),
    pins: new Records<Nouns['pins']>(db, { table: 'pin', key: 'environment_id' }),
    builds: new Records<Nouns['builds']>(db, { table: 'build', json: ['actor', 'tests'], flags: ['again'] }),
    deployments: new Records<Nouns['deployments']>(db, {
      table: 'deployment',
      json: ['actor', 'request', 'wish', 'previous', 'strategy', 'report'],
      flags: ['cancelRequested', 'pauseRequested'],
    }),
    steps: new Records<Nouns['steps']>(db, { table: 'step', json: ['numbers'] }),
    instances: new Records<Nouns['instances']>(db, { table: 'instance', key: 'name', json: ['counted'], flags: ['proven'] }),
    oneOffs: new Records<Nouns['oneOffs']>(db, { table: 'one_off', json: ['actor', 'command', 'sealed'], flags: ['cancelRequested'] }),
    events: new Records<Nouns['events']>(db, EVENTS),
    tokens: new Records<Nouns['tokens']>(db, { table: 'token' }),
    buildSteps: new Records<Nouns['buildSteps']>(db, { table: 'build_step', flags: ['cached'] }),
    sources: new Records<Nouns['sources']>(db, { table: 'source', key: 'app_id', json: ['credential', 'seen', 'submodules'] }),
    registries: new Records<Nouns['registries']>(db, { table: 'registry', key: 'host', json: ['actor', 'credential'] }),
    pushes: new Records<Nouns['pushes']>(db, { table: 'push', key: 'number', json: ['actor'] }),
  }
}

/** What a transaction gathers on its way. */
interface Mutable<T extends Commit> {
  events: Event[]
  edgeGeneration: T['edgeGeneration']
}

function openTx(db: Db, done: Mutable<Commit>, { clock, guard }: Pick<Parts, 'clock' | 'guard'>): Tx {
  const tables = nouns(db)
  return {
    ...tables,
    record: async (event: NewEvent) => {
      const written = await append(db, event, { at: clock.now(), key: guard.key })
      done.events.push(written)
    },
    nextEdgeGeneration: async () => {
      const next = (await edgeGeneration(db)) + 1
      await writeMeta(db, 'edge_generation', String(next))
      done.edgeGeneration = next
      return next
    },
    edgeGeneration: () => edgeGeneration(db),
    removeDomain: async (host, path) => {
      const result = await db.deleteFrom('domain').where('host', '=', host).where('path', '=', path).executeTakeFirst()
      return Number(result.numDeletedRows) > 0
    },
    removePins: async (environmentId, pair) => {
      let query = db.deleteFrom('pin').where('environment_id', '=', environmentId)
      if (pair) query = query.where('artifact_id', '=', pair.artifactId).where('config_revision_id', '=', pair.configRevisionId)
      await query.execute()
    },
    putSignInCode: async (hash, expiresAt) => {
      await db.deleteFrom('sign_in_code').execute()
      await db.insertInto('sign_in_code').values({ hash, expires_at: expiresAt, used_at: null }).execute()
    },
    useSignInCode: async (hash, now) => {
      const result = await db
        .updateTable('sign_in_code')
        .set({ used_at: now })
        .where('hash', '=', hash)
        .where('used_at', 'is', null)
        .where('expires_at', '>', now)
        .executeTakeFirst()
      return Number(result.numUpdatedRows) === 1
    },
  }
}

async function edgeGeneration(db: Db): Promise<number> {
  return Number((await readMeta(db, 'edge_generation')) ?? 0)
}
