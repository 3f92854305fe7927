import { expect, test } from 'vitest'
import { aBuild, builderContract } from '../contract.ts'
import type { Builder } from '../types.ts'
import { fake } from './index.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const asked: string[] = []

function opened(): Promise<Builder> {
  const resolveImage = async (reference: string): Promise<{ digest: string }> => {
    asked.push(reference)
    return { digest: DIGEST }
  }
  return fake.create(fake.Config.parse({}), { resolveImage })
}

builderContract(async () => ({
  builder: await opened(),
  good: { 'index.html': '' },
  failing: { 'fake-image': 'fail\n' },
  hanging: { 'fake-image': 'hang\n' },
  hangs: 'says hang',
}))

test('the file fake-image names the image, else it is fake:good', async () => {
  const builder = await opened()

  await builder.build(aBuild({ 'fake-image': 'fake:unhealthy\n' }).request)
  await builder.build(aBuild({ 'README.md': '' }).request)

  expect(asked.slice(-2)).toEqual(['fake:unhealthy', 'fake:good'])
})
