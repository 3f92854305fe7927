import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { expect, test } from 'vitest'
import { tarStream } from '../../../lib/tar.ts'
import { type ArchiveOptions, passImage } from './docker-archive.ts'

const HEX = ['a', 'b', 'c'].map((digit) => digit.repeat(64))
const LABELS = { 'lockgate.app': 'a-1' }

async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}

async function layer(files: Readonly<Record<string, string>> = { file: 'x' }): Promise<Buffer> {
  const tar = pack()
  for (const [name, text] of Object.entries(files)) tar.entry({ name }, text)
  tar.finalize()
  return bytesOf(tar)
}

function image(
  change: { layer?: Buffer; labels?: Record<string, string>; tags?: string[]; layers?: string[]; images?: number } = {},
): Record<string, Buffer | string> {
  const described = { Config: `${HEX[1]}.json`, RepoTags: change.tags ?? ['localhost/app:latest'], Layers: change.layers ?? [`${HEX[0]}.tar`] }
  return {
    [`${HEX[0]}.tar`]: change.layer ?? '',
    [`${HEX[1]}.json`]: JSON.stringify({ config: { Labels: change.labels ?? LABELS, Cmd: ['run'], Entrypoint: ['sh'] } }),
    'manifest.json': JSON.stringify(Array.from({ length: change.images ?? 1 }, () => described)),
    repositories: '{"lockgate/node":{"24":"x"}}',
    '../escape.tar': 'x',
  }
}

async function pass(
  files: Readonly<Record<string, Buffer | string>>,
  options: Partial<ArchiveOptions> = {},
): Promise<{ text: string; command: readonly string[] }> {
  let command: readonly string[] = []
  const source = tarStream(async (tar) => {
    for (const [name, bytes] of Object.entries(files)) tar.entry({ name }, bytes as Buffer)
  })
  const runs = (words: readonly string[]): void => {
    command = words
  }
  const bytes = await bytesOf(passImage(source, { tag: 'lockgate-x/app:b-1', labels: LABELS, maxBytes: 1024 * 1024, runs, ...options }))
  return { text: bytes.toString('latin1'), command }
}

test('an image passes with one name, ours, and without what else was in its archive', async () => {
  const { text, command } = await pass(image({ layer: await layer(), tags: ['lockgate/node:24', 'localhost/app:latest'] }))

  expect(text).toContain('"RepoTags":["lockgate-x/app:b-1"]')
  expect(text).not.toMatch(/lockgate\/node|escape|repositories/)
  expect(command).toEqual(['sh', 'run'])
})

test.each<[string, () => Promise<Record<string, Buffer | string>>, string]>([
  ['a layer that is packed', async () => image({ layer: gzipSync(await layer()) }), 'no tar'],
  [
    'a layer with more than there may be',
    async () => image({ layer: await layer({ big: 'x'.repeat(900_000), more: 'x'.repeat(300_000) }) }),
    'larger than 1 MB',
  ],
  ['a layer with a sparse file', async () => image({ layer: sparse() }), 'sparse'],
  ['labels of somebody else', async () => image({ layer: await layer(), labels: { 'lockgate.app': 'a-2' } }), 'label lockgate.app'],
  ['two images', async () => image({ layer: await layer(), images: 2 }), 'which image'],
  ['a layer that is missing', async () => image({ layer: await layer(), layers: [`${HEX[2]}.tar`] }), 'lacks a layer'],
  ['a layer outside', async () => image({ layer: await layer(), layers: ['../escape.tar'] }), 'lacks a layer'],
  ['nothing', async () => ({}), 'which image'],
])('%s is refused', async (_name, files, message) => {
  await expect(pass(await files(), { maxBytes: 1_100_000 })).rejects.toMatchObject({ code: 'archive.refused', message: expect.stringContaining(message) })
})

/** GNU's old way: a type of its own. */
function sparse(): Buffer {
  const block = Buffer.alloc(512)
  block.write('hole')
  block.write('0000644\0', 100)
  block.write('00000000000\0', 124)
  block.write('        S', 148)
  block.write('ustar  \0', 257)
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return Buffer.concat([block, Buffer.alloc(1024)])
}
