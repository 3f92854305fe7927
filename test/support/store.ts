import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/types.ts'

/** A folder that is gone when the test is. */
export async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A real database in a folder of its own. */
export async function aStore(directory?: string): Promise<Store> {
  const store = await openSqlite({ directory: directory ?? (await aFolder()), clock: systemClock, software: 'test' })
  onTestFinished(() => store.close())
  return store
}
