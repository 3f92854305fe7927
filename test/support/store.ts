import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { openAudit } from '../../src/store/audit.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/types.ts'

/** A folder that is gone when the test is. */
export async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Opens the database of a folder, its audit key and anchor beside it. The caller closes it. */
export async function openStoreIn(directory: string, software = 'test'): Promise<Store> {
  return openSqlite({ directory, clock: systemClock, audit: await openAudit(join(directory, 'secrets')), software })
}

/** A real database in a folder of its own. */
export async function aStore(directory?: string): Promise<Store> {
  const store = await openStoreIn(directory ?? (await aFolder()))
  onTestFinished(() => store.close())
  return store
}
