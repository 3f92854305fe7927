import { expect, test } from 'vitest'
import { ADA } from '../../test/support/core.ts'
import { aSteppedCore } from '../../test/support/stepped.ts'
import { EVERYTHING } from '../core/actor/actor.ts'
import { EMPTY_MANIFEST } from '../core/app/manifest.ts'
import { revise } from '../core/config-revision/revise.ts'
import { deployImage } from '../core/deployment/deploy.ts'
import type { Deployment } from '../core/deployment/deployment.ts'
import { restart } from '../core/deployment/operate.ts'
import { containedIn } from './contained.ts'

/** An app whose first deployment is queued, and verbs that queue further ones; nothing moves. */
async function anApp() {
  const { context, environment } = await aSteppedCore(`127.${130 + (process.pid % 60)}.0.0/16`)
  const now = () => context.store.read.environments.get(EVERYTHING, environment.id)
  const image = async (version: string) =>
    (await deployImage(context, { actor: ADA, environment: await now(), image: `fake:good+${version}`, manifest: EMPTY_MANIFEST })).deployment
  const set = async (key: string) => {
    const { deployment } = await revise(context, { actor: ADA, environment: await now(), set: { [key]: '1' }, secret: [], unset: [] })
    if (!deployment) throw new Error('nothing was opened')
    return deployment
  }
  const newerOf = async ({ id }: Pick<Deployment, 'id'>) => containedIn(context.store.read, await context.store.read.deployments.get(EVERYTHING, id))
  return { image, set, newerOf, restart: async () => restart(context, { actor: ADA, environment: await now() }) }
}

test('a configuration is brought by the next one, and by the next image', async () => {
  const { image, set, newerOf } = await anApp()
  await image('v1')
  const first = await set('A')
  const second = await set('B')
  const third = await image('v2')

  expect([await newerOf(first), await newerOf(second), await newerOf(third)]).toEqual([second.id, third.id, null])
})

test('an image is brought by a later configuration of it, and not by another image', async () => {
  const { image, set, newerOf } = await anApp()
  const first = await image('v1')
  const second = await image('v2')
  const third = await set('A')

  expect([await newerOf(first), await newerOf(second)]).toEqual([null, third.id])
})

test('a restart is brought by whatever makes new instances', async () => {
  const { image, restart: again, newerOf } = await anApp()
  await image('v1')
  const first = await again()
  const second = await again()

  expect(await newerOf(first)).toBe(second.id)
})
