import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { aFolder, aStore } from '../../test/support/store.ts'
import { systemClock } from '../lib/clock.ts'
import { storeContract } from './contract.ts'
import { openSqlite } from './sqlite.ts'

describe('SQLite as a store', () => {
  storeContract(() => aStore())
})

test('a second server on the data directory is refused', async () => {
  const directory = await aFolder()
  await aStore(directory)

  await expect(openSqlite({ directory, clock: systemClock, software: 'test' })).rejects.toMatchObject({ code: 'store.in_use' })
})

test('a database of a newer Lockgate is refused and left as it is', async () => {
  const directory = await aFolder()
  const newer = new DatabaseSync(join(directory, 'lockgate.db'))
  newer.exec('create table meta (name text primary key, value text not null); pragma user_version = 9999')
  newer.close()

  await expect(openSqlite({ directory, clock: systemClock, software: 'test' })).rejects.toMatchObject({ code: 'store.newer_schema' })
})

test('the epoch grows with each start', async () => {
  const directory = await aFolder()
  const first = await openSqlite({ directory, clock: systemClock, software: 'test' })
  await first.close()

  const second = await aStore(directory)

  expect(second.epoch).toBe(first.epoch + 1)
  expect(second.installation).toBe(first.installation)
})

test('other software copies the database before it writes', async () => {
  const directory = await aFolder()
  await (await openSqlite({ directory, clock: systemClock, software: 'one' })).close()
  await (await openSqlite({ directory, clock: systemClock, software: 'two' })).close()

  expect(readdirSync(join(directory, 'backups'))).toHaveLength(1)
})

test('a changed event is named by the check of the chain', async () => {
  const directory = await aFolder()
  const store = await openSqlite({ directory, clock: systemClock, software: 'test' })
  await store.transaction(async (tx) => {
    for (const kind of ['one', 'two', 'three']) await tx.record({ kind, actor: 'ada', projectId: 'p-1' })
  })
  await store.close()
  const direct = new DatabaseSync(join(directory, 'lockgate.db'))
  direct.exec("update event set actor = 'eve' where seq = 2")
  direct.close()

  expect(await (await aStore(directory)).verifyEvents()).toBe(2)
})

test('a database that another process has locked is waited for once, not by each after the other', async () => {
  const directory = await aFolder()
  const store = await aStore(directory)
  const lock = new DatabaseSync(join(directory, 'lockgate.db'))
  lock.exec('begin exclusive')
  const began = performance.now()

  const writes = await Promise.allSettled(Array.from({ length: 5 }, () => store.transaction((tx) => tx.nextEdgeGeneration())))
  const waitedMs = performance.now() - began
  lock.exec('rollback')
  lock.close()

  expect(writes.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(Array.from({ length: 5 }, () => 'store.busy'))
  // Each waits 5 s at most for the lock; five of them one after another would be 25.
  expect(waitedMs).toBeLessThan(15_000)
  expect(await store.transaction((tx) => tx.nextEdgeGeneration())).toBe(1)
}, 40_000)
