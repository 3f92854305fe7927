import { expect, test } from 'vitest'
import { aBuild } from '../../../test/support/builders.ts'
import { type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { removeApp } from '../app/remove.ts'
import type { Build } from './build.ts'
import { retryBuild } from './retry.ts'

async function ended(said: Partial<Build> = {}): Promise<{ readonly code: Code; readonly build: Build }> {
  const code = await someCode()
  const { app, production } = code
  const about = { projectId: app.projectId, appId: app.id, environmentId: production.id }
  const build = aBuild({ ...about, status: 'failed', cause: 'exit_code', finishedAt: 1, ...said })
  await code.store.transaction((tx) => tx.builds.insert(build))
  return { code, build }
}

test('the commit of a build that ended is queued again, to be built although the same was built before', async () => {
  const { code, build } = await ended({ status: 'succeeded', cause: 'done', artifactId: 't-1', trust: 'ordinary' })
  const again = await retryBuild(code, { actor: ADA, build })
  expect(again).toMatchObject({
    commitId: build.commitId,
    ref: build.ref,
    status: 'queued',
    again: true,
    trust: 'protected',
    artifactId: null,
    actor: { kind: 'token', id: 'k-ada', name: 'ada' },
  })
  expect(await code.builds()).toEqual([build, again])
})

test('a comparison is done again with what it compared with', async () => {
  const { code, build } = await ended({ purpose: 'compare', artifactId: 't-1' })
  expect(await retryBuild(code, { actor: ADA, build })).toMatchObject({ purpose: 'compare', artifactId: 't-1' })
})

test('it takes the place of a build that waits for the same environment', async () => {
  const { code, build } = await ended()
  const first = await retryBuild(code, { actor: ADA, build })
  const second = await retryBuild(code, { actor: ADA, build })
  const find = ({ id }: Build) => code.store.read.builds.get(EVERYTHING, id)
  expect([await find(first), await find(second)]).toMatchObject([{ status: 'superseded', cause: 'newer_commit' }, { status: 'queued' }])
})

test('a build that has not ended, and one of an app that is being removed, are not built again', async () => {
  const { code, build } = await ended()
  const again = await retryBuild(code, { actor: ADA, build })
  await expect(retryBuild(code, { actor: ADA, build: again })).rejects.toMatchObject({ code: 'build.not_finished' })
  await removeApp(code, { actor: ADA, app: code.app })
  await expect(retryBuild(code, { actor: ADA, build })).rejects.toMatchObject({ code: 'environment.removed' })
})
