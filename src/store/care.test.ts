import { existsSync } from 'node:fs'
import { open, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { aFolder, openStoreIn } from '../../test/support/store.ts'
import { PLATFORM } from '../core/actor/actor.ts'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { run } from '../lib/run.ts'
import { DatabaseCare } from './care.ts'
import { type Copy, copiesIn, copiesToRemove } from './copies.ts'

const HOUR = 60 * 60_000

/** A data directory with some rows, its server stopped. */
async function aDirectory(): Promise<string> {
  const directory = await aFolder()
  const store = await openStoreIn(directory)
  for (let at = 0; at < 300; at++)
    await store.transaction((tx) => tx.record({ kind: 'app.created', actor: PLATFORM, projectId: 'p-1', data: { text: `${at} `.repeat(20) } }))
  await store.close()
  // Everything in the file itself, as after a checkpoint: what is in the log beside it would repair damage of the file.
  const database = new DatabaseSync(join(directory, 'lockgate.db'))
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
  return directory
}

function careOf(directory: string, aheadMs = 0) {
  const said: { message: string; facts: unknown }[] = []
  const log = { ...silentLog, error: (message: string, facts?: unknown) => void said.push({ message, facts }) }
  const clock = { ...systemClock, now: () => Date.now() + aheadMs, monotonic: () => performance.now() + aheadMs }
  return { care: new DatabaseCare({ directory, clock, log }), said }
}

/** Bytes of the file are replaced, as a bad disk does. */
async function overwrite(path: string, bytes: Buffer, offset = 0): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.length, offset)
  await file.close()
}

const junk = (size: number): Buffer => Buffer.alloc(size, 0x5a)

/** The text of one row is changed in its table or in the index over it, not in both: no page is broken. */
async function changeOneOfTwo(path: string): Promise<void> {
  await pageOf(path, 'event')
  const bytes = await readFile(path)
  const at = bytes.indexOf('299 299 ')
  expect(bytes.indexOf('299 299 ', at + 100)).toBeGreaterThan(at)
  await overwrite(path, junk(1), at)
}

const FAULTS: readonly [string, (path: string) => Promise<void>][] = [
  ['an index that does not match its table', changeOneOfTwo],
  ['a page of a table overwritten', async (path) => overwrite(path, junk(2_000), (await pageOf(path, 'event')) * 4_096)],
  ['a page of an index overwritten', async (path) => overwrite(path, junk(2_000), (await pageOf(path, 'probe_kind')) * 4_096)],
]

/** Where the root page of a table or index begins, counted from 0. */
async function pageOf(path: string, name: string): Promise<number> {
  const database = new DatabaseSync(path)
  database.exec('create index if not exists probe_kind on event (kind); create index if not exists probe_data on event (data); pragma wal_checkpoint(truncate)')
  const root = Number(database.prepare('select rootpage from sqlite_schema where name = ?').get(name)?.['rootpage'])
  database.close()
  return root - 1
}

test.each(FAULTS)('%s is red in doctor, is logged, and leaves the good copies', async (_what, damage) => {
  const directory = await aDirectory()
  const path = join(directory, 'lockgate.db')
  const { care, said } = careOf(directory)
  await care.checkAtStart()
  await care.keep()
  expect((await care.checks()).map(({ ok }) => ok)).toEqual([true, true])
  expect(said).toEqual([])
  const [good] = copiesIn(join(directory, 'backups'))

  await damage(path)

  const [database] = await care.checks()
  expect(database).toMatchObject({ area: 'data', name: 'database', ok: false, sentence: expect.stringContaining(good?.path ?? 'a copy') })
  const later = careOf(directory, 26 * HOUR)
  await later.care.keep()
  expect(later.said[0]?.message).toMatch(/^THE DATABASE IS DAMAGED/)
  expect(existsSync(good?.path ?? '')).toBe(true)
})

const HEADERS: readonly [string, (path: string) => Promise<void>][] = [
  ['a header full of zeros', (path) => overwrite(path, Buffer.alloc(100))],
  ['a header full of something else', (path) => overwrite(path, junk(4_096))],
  ['a file of no bytes', (path) => truncate(path, 0)],
  ['a missing file', (path) => rm(path)],
  ['a file cut in its first page', (path) => truncate(path, 600)],
]

test.each(HEADERS)('%s stops the start with the newest good copy and the command that restores it, which works', async (_what, damage) => {
  const directory = await aDirectory()
  const path = join(directory, 'lockgate.db')
  await careOf(directory).care.keep()
  await careOf(directory, 2 * HOUR).care.keep()
  const [newest, good] = copiesIn(join(directory, 'backups'))
  await damage(path)
  await overwrite(newest?.path ?? '', Buffer.alloc(100))

  const refused = await openStoreIn(directory).catch((error: unknown) => error)

  expect(refused).toMatchObject({ code: 'store.damaged', retryable: false })
  const message = refused instanceof Error ? refused.message : ''
  expect(message).toContain(`The newest good copy is ${good?.path}, made `)
  const command = message.split('\n').at(-1)?.trim() ?? ''
  await run('sh', ['-c', command])
  const restored = await openStoreIn(directory)
  expect(await restored.verifyEvents()).toBeNull()
  await restored.close()
})

test('damage without a good copy names what else can be done', async () => {
  const directory = await aDirectory()
  await rm(join(directory, 'backups'), { recursive: true, force: true })
  await overwrite(join(directory, 'lockgate.db'), Buffer.alloc(100))

  await expect(openStoreIn(directory)).rejects.toThrow(/backups has no good copy: restore .* "sqlite3 .* \.recover"/)
})

test('a copy is made once an hour, and a whole database of its own', async () => {
  const directory = await aDirectory()
  const backups = join(directory, 'backups')
  const made: number[] = []
  for (const ahead of [0, 0.5, 1, 1.5, 2, 3, 4].map((hours) => hours * HOUR)) {
    await careOf(directory, ahead).care.keep()
    made.push(copiesIn(backups)[0]?.at ?? 0)
  }
  expect(new Set(made).size).toBe(5)
  const database = new DatabaseSync(copiesIn(backups)[0]?.path ?? '', { readOnly: true })
  expect(database.prepare('select count(*) as n from event').get()).toEqual({ n: 300 })
  database.close()
})

const copy = (hours: number, bytes = 1, isHourly = true): Copy => ({ path: `${hours}`, at: hours * HOUR, bytes, isHourly })

test.each([
  ['the newest three stay', [10, 9, 8, 7, 6], 100, [7, 6]],
  ['and the newest of each of four days', [100, 99, 98, 97, 71, 70, 47, 23, 22], 100, [97, 70, 22]],
  ['the oldest go where they take too much', [10, 9, 8], 2, [8]],
  ['the newest stays however large it is', [10, 9], 0, [9]],
  ['none', [], 100, []],
])('of hourly copies %s', (...[, hours, most, gone]) => {
  const copies = [...hours.map((at) => copy(at)), copy(1, 1_000, false)]
  expect(copiesToRemove(copies, most).map(({ path }) => Number(path))).toEqual(gone)
})
