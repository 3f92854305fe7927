import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { chainOfNames } from '../../test/support/old-events.ts'
import { aFolder, aStore } from '../../test/support/store.ts'
import { EVERYTHING } from '../core/actor/actor.ts'

const OLD = ['0001-foundation.sql', '0002-pushes.sql', '0003-builds.sql', '0004-canary.sql']

/** A database as Lockgate 0.1.0 left it: schema 4. */
function anOldDatabase(directory: string): DatabaseSync {
  const database = new DatabaseSync(join(directory, 'lockgate.db'))
  for (const name of OLD) database.exec(readFileSync(fileURLToPath(new URL(`./migrations/${name}`, import.meta.url)), 'utf8'))
  database.exec('pragma user_version = 4')
  return database
}

test('names of actors in old rows become identities: by id where one token has the name, the platform for its own', async () => {
  const directory = await aFolder()
  const old = anOldDatabase(directory)
  const names = ['ci', 'twice', 'lockgate', 'gone', 'a "quoted\\ name']
  const token = old.prepare("insert into token (id, name, hash, role, created_at) values (?, ?, ?, 'admin', 0)")
  for (const [id, name] of [
    ['k-1', 'ci'],
    ['k-2', 'twice'],
    ['k-3', 'twice'],
  ] as const)
    token.run(id, name, id)
  old.exec(
    "insert into project (id, name, created_at) values ('p-1', 'default', 0); insert into app (id, project_id, name, created_at, version) values ('a-1', 'p-1', 'shop', 0, 1)",
  )
  const push = old.prepare(
    "insert into push (number, project_id, app_id, environment_id, ref, commit_id, actor, created_at) values (?, 'p-1', 'a-1', 'e-1', 'refs/heads/main', 'c', ?, 0)",
  )
  old.exec('pragma foreign_keys = off')
  for (const [index, name] of names.entries()) push.run(index + 1, name)
  chainOfNames(old, names)
  old.close()

  const store = await aStore(directory)

  const expected = [
    { kind: 'token', id: 'k-1', name: 'ci' },
    { kind: 'token', id: null, name: 'twice' },
    { kind: 'platform', id: 'lockgate', name: 'lockgate' },
    { kind: 'token', id: null, name: 'gone' },
    { kind: 'token', id: null, name: 'a "quoted\\ name' },
  ]
  expect((await store.read.pushes.list(EVERYTHING, { orderBy: 'number' })).map((one) => one.actor)).toEqual(expected)
  expect((await store.read.events.list(EVERYTHING, { orderBy: 'seq' })).map((one) => one.actor)).toEqual(expected)
  await store.transaction((tx) => tx.record({ kind: 'app.created', actor: { kind: 'token', id: 'k-1', name: 'ci' }, projectId: 'p-1' }))
  expect(await store.verifyEvents(), 'old events are verified as they were written, new ones with the key').toBeNull()
})
