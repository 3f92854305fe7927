// What somebody who can write the database does to the log of events, and how it is noticed.
import { createHash } from 'node:crypto'
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { aFolder, aStore, openStoreIn } from '../../test/support/store.ts'
import type { ActorRef } from '../core/actor/actor.ts'
import type { EventFault, EventKind } from '../core/event/event.ts'
import { GENESIS } from './event-chain.ts'
import type { Store } from './types.ts'

const ADA: ActorRef = { kind: 'token', id: 'k-ada', name: 'ada' }

async function record(store: Store, ...kinds: readonly EventKind[]): Promise<void> {
  for (const kind of kinds) await store.transaction((tx) => tx.record({ kind, actor: ADA, projectId: 'p-1', data: { kind } }))
}

/** Three events, and the server stopped. */
async function aLog(): Promise<string> {
  const directory = await aFolder()
  const store = await openStoreIn(directory)
  await record(store, 'app.created', 'app.changed', 'app.removed')
  await store.close()
  return directory
}

/** All events again as if no key had ever been used: what a writer of the database can compute. */
function rewriteWithoutKey(database: DatabaseSync): void {
  let previous = GENESIS
  for (const row of database.prepare('select * from event order by seq').all()) {
    const { name } = JSON.parse(String(row['actor'])) as { name: string }
    const fields = [previous, row['seq'], row['at'], row['kind'], name, row['project_id'], row['app_id'], row['environment_id'], row['subject']]
    const hash = createHash('sha256')
      .update(JSON.stringify([...fields, JSON.parse(String(row['data']))]))
      .digest('hex')
    database.prepare('update event set form = 1, previous_hash = ?, hash = ? where seq = ?').run(previous, hash, Number(row['seq']))
    previous = hash
  }
}

const sql =
  (text: string) =>
  (database: DatabaseSync): void =>
    database.exec(text)

test.each<readonly [string, (database: DatabaseSync) => void, EventFault | null]>([
  ['nothing', () => undefined, null],
  ['the name of an actor is changed', sql(`update event set actor = replace(actor, 'ada', 'eve') where seq = 2`), { kind: 'changed', seq: 2 }],
  ['the id of an actor is changed', sql(`update event set actor = replace(actor, 'k-ada', 'k-eve') where seq = 2`), { kind: 'changed', seq: 2 }],
  ['the kind of an actor is changed', sql(`update event set actor = replace(actor, 'token', 'platform') where seq = 3`), { kind: 'changed', seq: 3 }],
  ['the facts are changed', sql(`update event set data = '{}' where seq = 1`), { kind: 'changed', seq: 1 }],
  ['one in the middle is deleted', sql('delete from event where seq = 2'), { kind: 'changed', seq: 3 }],
  ['the newest is deleted', sql('delete from event where seq = 3'), { kind: 'tail_missing', after: 2, through: 3 }],
  ['all are deleted', sql('delete from event'), { kind: 'tail_missing', after: 0, through: 3 }],
  ['all are hashed again without the key', rewriteWithoutKey, { kind: 'changed', seq: 1 }],
  [
    'the newest is deleted and the rest hashed again without the key',
    (database) => {
      database.exec('delete from event where seq = 3')
      rewriteWithoutKey(database)
    },
    { kind: 'changed', seq: 1 },
  ],
])('the check of the log notices: %s', async (_what, attack, fault) => {
  const directory = await aLog()
  const database = new DatabaseSync(join(directory, 'lockgate.db'))
  attack(database)
  database.close()

  expect(await (await aStore(directory)).verifyEvents()).toEqual(fault)
})

test('an older copy of the database is noticed when the server starts, recorded, and the log goes on', async () => {
  const directory = await aLog()
  const database = join(directory, 'lockgate.db')
  const copied = new DatabaseSync(database)
  copied.prepare('vacuum into ?').run(join(directory, 'copy'))
  copied.close()
  const store = await openStoreIn(directory)
  await record(store, 'token.created', 'token.revoked')
  await store.close()
  for (const suffix of ['', '-wal', '-shm']) await rm(`${database}${suffix}`, { force: true })
  await copyFile(join(directory, 'copy'), database)

  const restored = await aStore(directory)
  await record(restored, 'project.created')

  const events = await restored.read.eventsAfter({ projectId: null }, 3, 10)
  expect(events.map((event) => [event.kind, event.actor.kind, event.data])).toEqual([
    ['events.missing', 'platform', { after: 3, through: 5 }],
    ['project.created', 'token', { kind: 'project.created' }],
  ])
  expect(await restored.verifyEvents()).toEqual({ kind: 'tail_missing', after: 3, through: 5 })
})

test('an event keeps the identity of its actor, not what the actor could do', async () => {
  const store = await aStore()

  await store.transaction((tx) => tx.record({ kind: 'app.created', actor: { ...ADA, role: 'admin', projectId: null } as ActorRef, projectId: 'p-1' }))

  expect((await store.read.events.list({ projectId: null }))[0]?.actor).toEqual(ADA)
})
