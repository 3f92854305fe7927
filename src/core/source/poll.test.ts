import { expect, test } from 'vitest'
import { anArtifact } from '../../../test/support/builders.ts'
import { anotherHost, type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { UnavailableError } from '../../lib/errors.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { removeApp } from '../app/remove.ts'
import type { Source } from '../build/source.ts'
import { lookAt, pollSource } from './poll.ts'
import { removeSource, setSource } from './set.ts'
import type { CodeSource } from './source.ts'

async function fetchedFrom(code: Code, url: string): Promise<CodeSource> {
  const { source } = await setSource(code, code.git, {
    actor: ADA,
    app: code.app,
    url,
    username: null,
    credential: null,
    fingerprint: null,
    submodules: [],
    everyMs: 60_000,
  })
  return source
}

const look = (code: Code, source: CodeSource, git: Source = code.git): Promise<CodeSource> => lookAt(code, git, { app: code.app, source })
const current = (code: Code): Promise<CodeSource | null> => code.store.read.sources.find(EVERYTHING, code.app.id)

test('a look builds what an environment is deployed from, fetched and kept under a ref of its push', async () => {
  const code = await someCode()
  const host = await anotherHost()
  const commit = await host.commit('shop', { 'index.html': 'hello' })
  const looked = await look(code, await fetchedFrom(code, host.url('shop')))
  expect(looked).toMatchObject({ problem: null, failures: 0, seen: { 'refs/heads/main': commit } })
  expect(await code.builds()).toMatchObject([{ commitId: commit, ref: 'refs/heads/main', status: 'queued', environmentId: code.production.id }])
  expect(await code.git.commitOf(code.app.name, 'refs/lockgate/pushes/1')).toBe(commit)
  await look(code, looked)
  expect(await code.builds()).toHaveLength(1)
})

test('two looks side by side open one build', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('shop', { 'index.html': 'hello' })
  const source = await fetchedFrom(code, host.url('shop'))
  await Promise.all([look(code, source), look(code, source)])
  expect(await code.builds()).toHaveLength(1)
  expect(await current(code)).toMatchObject({ failures: 0, problem: null })
})

test('a look that is cut off between two builds does not open the first one again', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await code.environment('staging', 'next')
  await host.commit('shop', { 'index.html': 'hello' })
  await host.commit('shop', { 'index.html': 'hello again' }, 'next')
  const source = await fetchedFrom(code, host.url('shop'))
  let asked = 0
  const git = code.gitWith({
    setRef: async (app, ref, commit) => {
      if (asked++ === 1) throw new Error('the server was killed here')
      await code.git.setRef(app, ref, commit)
    },
  })
  await look(code, source, git)
  const before = await code.builds()
  await look(code, (await current(code)) ?? source)
  expect(await code.builds()).toEqual(before)
})

test('a ref that cannot be built is told and tried again, and the others are built once', async () => {
  const code = await someCode()
  const host = await anotherHost()
  const staging = await code.environment('staging', 'a-branch')
  const commit = await host.commit('shop', { 'index.html': 'hello' })
  const other = await host.commit('shop', { 'index.html': 'hello again' }, 'a-branch')
  const source = await fetchedFrom(code, host.url('shop'))
  // Built before, so that the folder the app lives in is looked up, which fails for this one.
  await code.store.transaction((tx) => tx.artifacts.insert(anArtifact({ projectId: code.app.projectId, appId: code.app.id, commitId: other })))
  const git = code.gitWith({
    treeOf: async () => {
      throw new UnavailableError('source.unreachable', 'not now')
    },
  })
  const looked = await look(code, source, git)
  expect(looked).toMatchObject({ failures: 1, problem: 'refs/heads/a-branch: not now', seen: { 'refs/heads/main': commit } })
  expect(await look(code, looked, git)).toMatchObject({ failures: 2 })
  expect(await code.builds()).toMatchObject([{ commitId: commit }])
  expect(await look(code, (await current(code)) ?? looked)).toMatchObject({ failures: 0, problem: null })
  expect((await code.builds()).map((build) => build.environmentId)).toEqual([code.production.id, staging.id])
})

test('tags that were there before the first answer are no news, however often the host did not answer before', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await code.environment('releases', 'releases', 'v*')
  const commit = await host.commit('shop', { 'index.html': 'hello' })
  await host.git('shop', 'tag', 'v1')
  await host.git('shop', 'tag', 'v2')
  const source = await fetchedFrom(code, host.url('shop'))
  const away = code.gitWith({ look: () => Promise.reject(new UnavailableError('source.unreachable', 'away')) })
  const failed = await look(code, source, away)
  expect(failed).toMatchObject({ failures: 1, problem: 'away' })
  const looked = await look(code, failed)
  expect(await code.builds()).toMatchObject([{ commitId: commit, ref: 'refs/heads/main' }])
  await host.git('shop', 'tag', 'v3')
  await look(code, looked)
  expect((await code.builds()).map((build) => build.ref)).toEqual(['refs/heads/main', 'refs/tags/v3'])
})

test('nothing is built from a repository that was taken away during the look', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('shop', { 'index.html': 'hello' })
  const source = await fetchedFrom(code, host.url('shop'))
  const git = code.gitWith({
    fetch: async (app, from, refs) => {
      await code.git.fetch(app, from, refs)
      await removeSource(code, { actor: ADA, app: code.app })
    },
  })
  await look(code, source, git)
  expect(await code.builds()).toEqual([])
  expect(await current(code)).toBeNull()
})

test('a host is asked when its time has come, and less and less often while it does not answer', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('shop', { 'index.html': 'hello' })
  await fetchedFrom(code, host.url('shop'))
  const { afterMs = 0 } = await pollSource(code, code.git, code.app.id)
  expect(afterMs).toBeGreaterThan(50_000)
  expect(afterMs).toBeLessThan(70_000)
  const asked = host.requests.length
  await pollSource(code, code.git, code.app.id)
  expect(host.requests).toHaveLength(asked)
  const away = code.gitWith({ look: () => Promise.reject(new UnavailableError('source.unreachable', 'away')) })
  let source = await current(code)
  for (const least of [100_000, 200_000, 400_000]) {
    source = source && (await look(code, source, away))
    expect((source?.nextAt ?? 0) - code.clock.now()).toBeGreaterThan(least)
  }
})

test('the source of an app that is being removed is forgotten, credential and all', async () => {
  const code = await someCode()
  const host = await anotherHost()
  await host.commit('shop', { 'index.html': 'hello' })
  await fetchedFrom(code, host.url('shop'))
  await removeApp(code, { actor: ADA, app: code.app })
  expect(await pollSource(code, code.git, code.app.id)).toEqual({})
  expect(await current(code)).toBeNull()
  expect(await code.builds()).toEqual([])
})
