import { expect, test } from 'vitest'
import { aBuild, anArtifact } from '../../../test/support/builders.ts'
import { type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { AppName } from '../app/app.ts'
import { createApp } from '../app/create.ts'
import { keepHouse } from './housekeeping.ts'

const NO_DATABASE = { keepDatabase: async () => undefined }

/** Sixty builds, the newest last. */
async function built(code: Code): Promise<void> {
  const whose = { projectId: code.app.projectId, appId: code.app.id }
  const about = { ...whose, environmentId: code.production.id }
  await code.store.transaction(async (tx) => {
    for (let at = 0; at < 60; at++)
      await tx.builds.insert(aBuild({ ...about, id: `b-${at}`, commitId: `c-${at}`, status: at === 3 ? 'running' : 'succeeded', createdAt: at }))
    await tx.artifacts.insert(anArtifact({ ...whose, id: 't-5', buildId: 'b-5', commitId: 'c-5' }))
    await tx.artifacts.insert(anArtifact({ ...whose, id: 't-elsewhere', buildId: null, commitId: 'c-elsewhere' }))
    await tx.artifacts.insert(anArtifact({ ...whose, id: 't-gone', buildId: 'b-6', commitId: 'c-6', removedAt: 1 }))
  })
}

test('logs and commits of old builds go, but of those that run, of the newest fifty and of what can be deployed again', async () => {
  const code = await someCode()
  await built(code)
  const removed: string[] = []
  let kept: ReadonlySet<string> = new Set()
  const keepOnly = async (_app: AppName, commits: () => Promise<ReadonlySet<string>>): Promise<void> => {
    kept = await commits()
  }
  await keepHouse(code, { source: { keepOnly }, ...NO_DATABASE, book: { remove: async (key) => void removed.push(key) } })
  expect(removed.toSorted()).toEqual(['b-0', 'b-1', 'b-2', 'b-4', 'b-6', 'b-7', 'b-8', 'b-9'].map((id) => `build/${id}`))
  expect(kept.size).toBe(53)
  for (const commit of ['c-3', 'c-5', 'c-elsewhere', 'c-10', 'c-59']) expect(kept).toContain(commit)
})

test('an image that a person removed from the engine is recorded as removed', async () => {
  const code = await someCode()
  await built(code)
  code.pruned.add('sha256:t-5')
  await keepHouse(code, { source: { keepOnly: async () => undefined }, ...NO_DATABASE, book: { remove: async () => undefined } })

  const left = await code.store.read.artifacts.list(EVERYTHING, { where: { removedAt: null } })
  expect(left.map(({ id }) => id)).toEqual(['t-elsewhere'])
})

test('an app that cannot be tidied keeps nothing of the others', async () => {
  const code = await someCode()
  await createApp(code, { actor: ADA, projectId: code.app.projectId, name: 'other' as AppName })
  const tidied: string[] = []
  const keepOnly = async (app: AppName): Promise<void> => {
    tidied.push(app)
    throw new Error('no such folder')
  }
  await keepHouse(code, { source: { keepOnly }, ...NO_DATABASE, book: { remove: async () => undefined } })
  expect(tidied.toSorted()).toEqual(['other', 'shop'])
})
