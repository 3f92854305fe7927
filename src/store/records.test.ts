import { beforeEach, expect, test } from 'vitest'
import { aStore } from '../../test/support/store.ts'
import { EVERYTHING } from '../core/actor/actor.ts'
import type { Project } from '../core/project/project.ts'
import type { Store } from './types.ts'

function aToken(id: string, said: object = {}) {
  return {
    id,
    projectId: null,
    name: id,
    hash: `hash-${id}`,
    role: 'viewer' as const,
    expiresAt: null,
    revokedAt: null,
    createdAt: 1,
    lastUsedAt: null,
    ...said,
  }
}

let store: Store
beforeEach(async () => {
  store = await aStore()
})

test('a row comes back as it was, with its nulls', async () => {
  await store.transaction((tx) => tx.tokens.insert(aToken('k-1', { expiresAt: 5_000_000_000_000 })))
  expect(await store.read.tokens.get(EVERYTHING, 'k-1')).toEqual(aToken('k-1', { expiresAt: 5_000_000_000_000 }))
})

test('what is not there is null to find, and an error with the name of its noun to get', async () => {
  expect(await store.read.oneOffs.find(EVERYTHING, 'o-1')).toBeNull()
  await expect(store.read.oneOffs.get(EVERYTHING, 'o-1')).rejects.toMatchObject({ code: 'one_off.not_found', message: 'There is no one-off o-1' })
})

test('rows are chosen by value, by null and by any of several, in order, no more than asked', async () => {
  await store.transaction(async (tx) => {
    for (const id of ['k-1', 'k-2', 'k-3', 'k-4'])
      await tx.tokens.insert(aToken(id, { role: id === 'k-2' ? 'admin' : 'viewer', revokedAt: id === 'k-4' ? 9 : null }))
  })
  const ids = async (listing: Parameters<Store['read']['tokens']['list']>[1]) => (await store.read.tokens.list(EVERYTHING, listing)).map((token) => token.id)

  expect(await ids({ where: { role: 'admin' } })).toEqual(['k-2'])
  expect(await ids({ where: { revokedAt: null }, orderBy: 'id', descending: true })).toEqual(['k-3', 'k-2', 'k-1'])
  expect(await ids({ where: { name: ['k-1', 'k-4'] }, orderBy: 'id' })).toEqual(['k-1', 'k-4'])
  expect(await ids({ orderBy: 'id', limit: 2 })).toEqual(['k-1', 'k-2'])
})

test('whose token belongs to one project sees nothing of another', async () => {
  await store.transaction(async (tx) => {
    for (const id of ['p-1', 'p-2']) await tx.projects.insert({ id, name: id, createdAt: 1 } satisfies Project)
    await tx.tokens.insert(aToken('k-1', { projectId: 'p-1' }))
    await tx.tokens.insert(aToken('k-2', { projectId: 'p-2' }))
  })
  expect((await store.read.tokens.list({ projectId: 'p-1' })).map((token) => token.id)).toEqual(['k-1'])
  await expect(store.read.tokens.get({ projectId: 'p-1' }, 'k-2')).rejects.toMatchObject({ code: 'token.not_found' })
})

test('a value with the look of SQL is only a value', async () => {
  const name = "'; drop table token; --"
  await store.transaction((tx) => tx.tokens.insert(aToken('k-1', { name })))
  expect((await store.read.tokens.list(EVERYTHING, { where: { name } })).map((token) => token.name)).toEqual([name])
})

test('some fields are set, and the others stay', async () => {
  await store.transaction((tx) => tx.tokens.insert(aToken('k-1')))
  await store.transaction((tx) => tx.tokens.set('k-1', { revokedAt: 7 }))
  expect(await store.read.tokens.get(EVERYTHING, 'k-1')).toEqual(aToken('k-1', { revokedAt: 7 }))
})
