import { type Kysely, sql } from 'kysely'
import { type ActorRef, refOf, type Scope } from '../core/actor/actor.ts'
import { ConflictError, NotFoundError } from '../lib/errors.ts'
import type { Listing, Repository } from './types.ts'

export type Row = Record<string, unknown>
export type Tables = Record<string, Row>
export type Db = Kysely<Tables>

export interface Shape {
  readonly table: string
  /** Name of the key column; default `id`. */
  readonly key?: string
  /** Fields kept as JSON text, and fields kept as 0/1. */
  readonly json?: readonly string[]
  readonly flags?: readonly string[]
}

/** Rows of one table as records of one noun: camelCase fields, JSON and booleans as values. */
export class Records<T extends object> implements Repository<T> {
  readonly #db: Db
  readonly #shape: Shape

  constructor(db: Db, shape: Shape) {
    this.#db = db
    this.#shape = shape
  }

  async insert(record: T): Promise<T> {
    await this.#db.insertInto(this.#shape.table).values(this.#toRow(record)).execute()
    return 'actor' in record ? { ...record, actor: refOf(record.actor as ActorRef) } : record
  }

  /** Compare-and-set on `version`. Throws ConflictError `store.stale` when the row has moved on. Gives the record as saved. */
  async save<V extends T & { readonly version: number }>(before: V, after: V): Promise<V> {
    const saved = { ...after, version: before.version + 1 }
    const row = this.#toRow(saved)
    const key = this.#shape.key ?? 'id'
    const result = await this.#db.updateTable(this.#shape.table).set(row).where(key, '=', row[key]).where('version', '=', before.version).executeTakeFirst()
    if (Number(result.numUpdatedRows) !== 1)
      throw new ConflictError('store.stale', `${this.#shape.table} ${String(row[key])} was changed by somebody else meanwhile; look again`)
    return saved
  }

  /** Sets some fields of one row, without a version: for rows that only one place writes. */
  async set(key: string, change: Partial<T>): Promise<void> {
    await this.#db
      .updateTable(this.#shape.table)
      .set(this.#toRow(change))
      .where(this.#shape.key ?? 'id', '=', key)
      .execute()
  }

  async find(scope: Scope, key: string): Promise<T | null> {
    const where = { [toCamel(this.#shape.key ?? 'id')]: key } as NonNullable<Listing<T>['where']>
    const rows = await this.list(scope, { where, limit: 1 })
    return rows[0] ?? null
  }

  /** Like find, but absence is NotFoundError `<noun>.not_found`. */
  async get(scope: Scope, key: string): Promise<T> {
    const found = await this.find(scope, key)
    if (!found) throw new NotFoundError(`${this.#shape.table}.not_found`, `There is no ${this.#shape.table.replaceAll('_', '-')} ${key}`)
    return found
  }

  async list(scope: Scope, listing: Listing<T> = {}): Promise<T[]> {
    let query = this.#db.selectFrom(this.#shape.table).selectAll()
    if (scope.projectId !== null) query = query.where('project_id', '=', scope.projectId)
    for (const [field, value] of Object.entries(listing.where ?? {})) {
      if (value === null) query = query.where(toSnake(field), 'is', null)
      else if (Array.isArray(value)) query = query.where(toSnake(field), 'in', value)
      else query = query.where(toSnake(field), '=', this.#toValue(field, value))
    }
    if (listing.orderBy !== undefined) query = query.orderBy(toSnake(listing.orderBy), listing.descending ? 'desc' : 'asc')
    if (listing.limit !== undefined) query = query.limit(listing.limit)
    return (await query.execute()).map((row) => this.#toRecord(row))
  }

  async remove(key: string): Promise<void> {
    await this.#db
      .deleteFrom(this.#shape.table)
      .where(this.#shape.key ?? 'id', '=', key)
      .execute()
  }

  /** One more than the greatest `field` among the rows that match, or 1. */
  async next(field: keyof T & string, where: Partial<T> = {}): Promise<number> {
    let query = this.#db.selectFrom(this.#shape.table).select(sql<number | null>`max(${sql.ref(toSnake(field))})`.as('most'))
    for (const [name, value] of Object.entries(where)) query = query.where(toSnake(name), '=', value)
    return Number((await query.executeTakeFirst())?.most ?? 0) + 1
  }

  #toValue(field: string, value: unknown): unknown {
    // A verb passes the whole actor; a row keeps its identity, not what it could do then.
    if (field === 'actor') return JSON.stringify(refOf(value as ActorRef))
    if (this.#shape.json?.includes(field)) return value === null ? null : JSON.stringify(value)
    if (typeof value === 'boolean') return value ? 1 : 0
    return value
  }

  #toRow(record: Partial<T>): Row {
    return Object.fromEntries(Object.entries(record).map(([field, value]) => [toSnake(field), this.#toValue(field, value)]))
  }

  #toRecord(row: Row): T {
    const entries = Object.entries(row).map(([column, value]) => {
      const field = toCamel(column)
      if (this.#shape.json?.includes(field)) return [field, value === null ? null : JSON.parse(String(value))]
      if (this.#shape.flags?.includes(field)) return [field, Number(value) === 1]
      return [field, value]
    })
    return Object.fromEntries(entries) as T
  }
}

function toSnake(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function toCamel(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
