import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import { addEntry, tarStream } from './tar.ts'

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

test('whoever leaves half-way has what fills the archive let go of its files', async () => {
  const bytes = new PassThrough()
  bytes.write(Buffer.alloc(1_000_000))
  const ended = new Promise<unknown>((resolve) => {
    const tar = tarStream((target) => addEntry(target, { name: 'large', size: 2_000_000 }, bytes).finally(() => resolve('let go')))
    void (async () => {
      for await (const _chunk of tar) break
    })()
  })

  expect(await ended).toBe('let go')
  await until('its files are closed', () => bytes.destroyed)
})
