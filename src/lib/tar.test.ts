import { expect, test } from 'vitest'
import { tarStream } from './tar.ts'

test('a stream that is broken off while entries wait ends nothing else', async () => {
  const failures: unknown[] = []
  const note = (error: unknown): void => void failures.push(error)
  process.on('uncaughtException', note)
  const tar = tarStream(async (target) => {
    for (const name of ['first', 'second', 'third']) target.entry({ name }, Buffer.alloc(300_000))
  })

  for await (const _chunk of tar) break
  await new Promise((resolve) => tar.once('close', resolve).destroy())
  await new Promise((resolve) => setImmediate(resolve))
  process.off('uncaughtException', note)

  expect(failures).toEqual([])
})
