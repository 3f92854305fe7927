import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { aFolder, aStore, openStoreIn } from '../../test/support/store.ts'
import { storeContract } from './contract.ts'

describe('SQLite as a store', () => {
  storeContract(() => aStore())
})

test('a second server on the data directory is refused', async () => {
  const directory = await aFolder()
  await aStore(directory)

  await expect(openStoreIn(directory, 'test')).rejects.toMatchObject({ code: 'store.in_use' })
})

test('a database of a newer Lockgate is refused and left as it is', async () => {
  const directory = await aFolder()
  const newer = new DatabaseSync(join(directory, 'lockgate.db'))
  newer.exec('create table meta (name text primary key, value text not null); pragma user_version = 9999')
  newer.close()

  await expect(openStoreIn(directory, 'test')).rejects.toMatchObject({ code: 'store.newer_schema' })
})

test('the epoch grows with each start', async () => {
  const directory = await aFolder()
  const first = await openStoreIn(directory, 'test')
  await first.close()

  const second = await aStore(directory)

  expect(second.epoch).toBe(first.epoch + 1)
  expect(second.installation).toBe(first.installation)
})

test('other software copies the database before it writes', async () => {
  const directory = await aFolder()
  await (await openStoreIn(directory, 'one')).close()
  await (await openStoreIn(directory, 'two')).close()

  expect(readdirSync(join(directory, 'backups'))).toHaveLength(1)
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
