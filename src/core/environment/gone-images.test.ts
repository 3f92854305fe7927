import { expect, test } from 'vitest'
import { ADA, aCore, type Core } from '../../../test/support/core.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { cancelDeployment } from '../deployment/cancel.ts'
import { rollback } from '../deployment/rollback.ts'
import type { Environment } from './environment.ts'

interface TwoReleases {
  readonly core: Core
  /** As it is now. */
  environment(): Promise<Environment>
  /** The artifact of the older release; its image is in the engine until it is pruned. */
  readonly older: Artifact
  readonly pins: () => Promise<unknown[]>
  readonly back: () => ReturnType<typeof rollback>
}

async function twoReleases(range: string): Promise<TwoReleases> {
  const core = await aCore(range)
  const { read } = core.context.store
  const { id } = await core.anApp('shop')
  const environment = (): Promise<Environment> => core.environment(id)
  const first = await core.ended(await core.deploy(await environment(), 'fake:good+v1'))
  await core.ended(await core.deploy(await environment(), 'fake:good+v2'))
  const { artifactId } = await read.releases.get(EVERYTHING, first.wish.releaseId ?? '')
  return {
    core,
    environment,
    older: await read.artifacts.get(EVERYTHING, artifactId),
    pins: () => read.pins.list(EVERYTHING),
    back: async () => rollback(core.context, { actor: ADA, environment: await environment(), to: null }),
  }
}

test('a rollback to an image that was pruned is refused with the command that helps, records it as removed and pins nothing', async () => {
  const { core, back, older, pins } = await twoReleases('127.208.0.0/16')
  core.knobs.pruned.add(older.digest)

  await expect(back()).rejects.toMatchObject({
    code: 'release.artifact_gone',
    message: 'The image of r1 (fake:good+v1) is not in the engine any more: deploy it again with "lockgate deploy shop --image fake:good+v1".',
  })

  expect((await core.context.store.read.artifacts.get(EVERYTHING, older.id)).removedAt).not.toBe(null)
  expect((await core.context.store.read.events.list(EVERYTHING, { where: { kind: 'artifact.gone' } })).length).toBe(1)
  expect(await pins()).toEqual([])
  // Once recorded the sentence is the same, and nothing was opened.
  await expect(back()).rejects.toMatchObject({ code: 'release.artifact_gone' })
  expect(await core.context.store.read.deployments.list(EVERYTHING, { where: { verb: 'rollback' } })).toEqual([])
})

test('an image that is pruned after the rollback was opened fails it at the check, and the good release is not pinned', async () => {
  const { core, environment, older, pins } = await twoReleases('127.209.0.0/16')
  const before = (await environment()).wish.releaseId
  core.knobs.pruned.add(older.digest)
  const stillThere = { resolveImage: async (digest: string) => ({ digest, ports: [], volumes: [], sizeBytes: 0, createdAt: 0 }) }
  const asked = { actor: ADA, environment: await environment(), to: null }
  const { deployment } = await rollback({ ...core.context, runtime: stillThere }, asked)

  const ended = await core.ended(deployment)

  expect(ended).toMatchObject({ status: 'failed', message: expect.stringContaining('is not in the engine any more: deploy it again with') })
  expect((await environment()).wish.releaseId).toBe(before)
  expect(await pins()).toEqual([])
})

test('a rollback that is cancelled before it moved anything pins nothing', async () => {
  const { core, back, pins } = await twoReleases('127.210.0.0/16')
  core.knobs.delayMs = 150
  const { deployment } = await back()
  await cancelDeployment(core.context, { actor: ADA, id: deployment.id })

  const ended = await core.ended(deployment)

  expect(ended.status).toBe('cancelled')
  expect(await pins()).toEqual([])
})

test('an engine that does not answer is not an engine without the image', async () => {
  const { core, back, older } = await twoReleases('127.211.0.0/16')
  core.knobs.unreachable = true

  await back()
  core.knobs.unreachable = false

  expect((await core.context.store.read.artifacts.get(EVERYTHING, older.id)).removedAt).toBe(null)
})
