// Folders sent as archives: what would leave them, lie about itself, or never end is refused, and nothing of it is kept.
import { readdir } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { attacked, productionOf } from '../support/attacked.ts'
import { ARCHIVES, claiming, KEPT_ARCHIVES } from '../support/hostile-archives.ts'

const { lockgate } = attacked('10.229.0.0/16')
const UPLOADS = '/v1/apps/target/environments/production/uploads'

async function sent(path: string, body: Uint8Array): Promise<{ readonly status: number; readonly code: string }> {
  const response = await fetch(`${lockgate().apiUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${lockgate().token}`, 'content-type': 'application/gzip' },
    body: body as Uint8Array<ArrayBuffer>,
  })
  return { status: response.status, code: ((await response.json()) as { code?: string }).code ?? '' }
}

test.each(Object.keys(ARCHIVES))('%s is refused', async (name) => {
  const bytes = (await ARCHIVES[name]?.()) ?? Buffer.alloc(0)

  const { status, code } = await sent(UPLOADS, bytes)

  expect({ status, code }).toEqual({ status: 422, code: expect.stringMatching(/^(archive\.refused|upload\.empty|request\.invalid)$/) })
  expect(await lockgate().call(endpoints.listBuilds, { ...productionOf('target'), query: {} })).toEqual([])
})

test.each(Object.keys(KEPT_ARCHIVES))('an archive %s is read', async (name) => {
  const bytes = (await KEPT_ARCHIVES[name]?.()) ?? Buffer.alloc(0)

  expect((await sent('/v1/detect', bytes)).status).toBe(200)
})

test('an upload that breaks off leaves nothing', async () => {
  const stop = new AbortController()
  const body = new ReadableStream<Uint8Array>({
    start: (stream) => {
      stream.enqueue(gzipSync(claiming('00077777777')).subarray(0, 20))
      setTimeout(() => stop.abort(), 200)
    },
  })
  await fetch(`${lockgate().apiUrl}${UPLOADS}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${lockgate().token}`, 'content-type': 'application/gzip' },
    body,
    duplex: 'half',
    signal: stop.signal,
  } as RequestInit).catch(() => null)

  expect(await lockgate().call(endpoints.listBuilds, { ...productionOf('target'), query: {} })).toEqual([])
  expect((await readdir(`${lockgate().directory}/data/git`)).filter((name) => name.includes('.tmp'))).toEqual([])
})
