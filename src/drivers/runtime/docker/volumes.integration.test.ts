import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { randomWord } from '../../../lib/ids.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { Bases } from '../../builder/bases/index.ts'
import type { Boxes, BoxSpec } from '../types.ts'
import { docker } from './index.ts'
import { attachLoop, loopsBelow } from './loop-files.ts'

const installation = `t${randomWord(8)}`
const owner = `b-${randomWord(8)}`
const kept = `lockgate-${installation}-cache`
let directory: string
let boxes: Boxes
let image: string

async function open(volumesDirectory: string | null): Promise<Boxes> {
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory }), undefined)
  if (!parts.boxes) throw new Error('no boxes')
  return parts.boxes
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockgate-volumes-'))
  boxes = await open(directory)
  image = await new Bases({ boxes, registry: null, log: silentLog }).image({ base: 'base', version: null })
})

afterAll(async () => {
  await boxes.removeVolume(kept)
  expect(await left()).toEqual({ devices: [], files: [], volumes: [] })
  await rm(directory, { recursive: true })
})

afterEach(() => boxes.removeAll(owner))

async function left(): Promise<{ devices: unknown[]; files: string[]; volumes: string[] }> {
  const files = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.ext4') || name.endsWith('.new'))
  const volumes = (await run('docker', ['volume', 'ls', '-q', '--filter', `label=lockgate.installation=${installation}`])).stdout.split('\n').filter(Boolean)
  return { devices: await loopsBelow(directory), files, volumes }
}

/** Runs a script in a box with a fresh volume at /app and the kept one at /cache. */
async function inBox(script: string, options: Partial<BoxSpec> = {}): Promise<{ status: number; said: string; fresh: readonly string[]; name: string }> {
  const name = `lockgate-${installation}-${randomWord(6)}`
  const volumes = {
    '/app': { name: `${name}-work`, sizeMb: 64, keep: false },
    '/cache': { name: kept, sizeMb: 64, keep: true },
  }
  const limits = { cpus: 1, memoryMb: 256, processes: 64 }
  const command = ['sh', '-c', script]
  const fresh = await boxes.create({ name, owner, image, command, user: '700000:700000', limits, network: 'none', volumes, ...options })
  const lines: string[] = []
  const { status } = await boxes.run(name, { line: (text) => void lines.push(text), signal: AbortSignal.timeout(60_000) })
  return { status, said: lines.join('\n'), fresh, name }
}

test('what a box writes ends at the size of its volume, in bytes and in files, and all of it goes with its owner', async () => {
  const bytes = await inBox('dd if=/dev/zero of=/app/big bs=1M count=200; rm /app/big; echo again > /app/small && cat /app/small')
  const files = await inBox('i=0; while true > /app/$i; do i=$((i+1)); done; ls /app | wc -l')

  expect(bytes.said).toContain('No space left on device')
  expect(bytes.said).toContain('again')
  expect(files.said).toContain('No space left on device')
  expect(Number(files.said.split('\n').at(-1))).toBeLessThan(64 * 128)
  const use = await boxes.volumeUse(`${files.name}-work`)
  expect((use?.usedFiles ?? 0) / (use?.totalFiles ?? 1)).toBeGreaterThan(0.99)

  await boxes.removeAll(owner)

  expect((await left()).files).toEqual([`kept/${kept}.ext4`])
  expect((await left()).devices).toEqual([])
})

describe('a kept volume', () => {
  test('is there for the next box, is not when it was too full or damaged, and knows its owner', async () => {
    await boxes.removeVolume(kept)
    const first = await inBox('id -u; echo mine > /cache/file; ls -A /app | wc -l')
    await boxes.removeAll(owner)
    const second = await inBox('cat /cache/file; head -c 50m /dev/zero > /cache/big')
    await boxes.removeAll(owner)
    const third = await inBox('cat /cache/file 2>&1; echo new > /cache/file')
    await boxes.removeAll(owner)
    await writeFile(join(directory, 'kept', `${kept}.ext4`), Buffer.alloc(4096), { flag: 'r+' })
    const fourth = await inBox('cat /cache/file 2>&1')
    await boxes.removeAll(owner)

    expect([first.status, second.said]).toEqual([0, 'mine'])
    expect(first.said).toEqual('700000\n0')
    expect([first, second, third, fourth].map(({ fresh }) => fresh.includes(kept))).toEqual([true, false, true, true])
    expect(third.said).toContain('No such file')
    expect(fourth.said).toContain('No such file')
  })

  test('that belongs to another user than the box is begun anew', async () => {
    await boxes.removeVolume(kept)
    await inBox('echo mine > /cache/file')
    await boxes.removeAll(owner)

    const other = await inBox('ls -A /cache; echo its > /cache/file && stat -c %u /cache /cache/file', { user: '2000001:2000001' })
    await boxes.removeAll(owner)

    expect(other).toMatchObject({ status: 0, said: '2000001\n2000001' })
  })

  test('cannot be removed under a box that uses it', async () => {
    const name = `lockgate-${installation}-holds`
    await boxes.create({
      name,
      owner,
      image,
      command: ['true'],
      limits: { cpus: 1, memoryMb: 64, processes: 16 },
      network: 'none',
      volumes: { '/cache': { name: kept, sizeMb: 64, keep: true } },
    })

    await expect(boxes.removeVolume(kept)).rejects.toMatchObject({ code: 'runtime.refused' })
    await boxes.removeAll('somebody-else')
    expect((await left()).devices).toHaveLength(1)
    await boxes.removeAll(owner)
    expect((await left()).devices).toHaveLength(0)
  })
})

test('what a killed server left is found again: a file without a volume, and a half-made one', async () => {
  await inBox('true')
  const work = (await readdir(join(directory, 'work')))[0] ?? ''
  const volume = work.replace('.ext4', '')
  await boxes.removeAll('nobody')
  expect(await readdir(join(directory, 'work'))).toEqual([work])
  // As if it had died between attaching and telling the engine, and while it made another one.
  await run('docker', ['rm', '-f', volume.replace('-work', '')])
  await run('docker', ['volume', 'rm', volume])
  await attachLoop(join(directory, 'work', work))
  await writeFile(join(directory, 'kept', 'x.ext4.new'), '')

  await (await open(directory)).removeAll(owner)

  expect((await left()).devices).toEqual([])
  expect(await readdir(join(directory, 'work'))).toEqual([])
  expect(await readdir(join(directory, 'kept'))).not.toContain('x.ext4.new')
})

test('where volumes cannot have a size they are plain ones of the engine, and the reason is said', async () => {
  const plain = await open(null)
  const name = `lockgate-${installation}-plain`
  const volumes = {
    '/app': { name: `${name}-work`, sizeMb: 64, keep: false },
    '/cache': { name: `${name}-kept`, sizeMb: 64, keep: true },
  }
  const fresh: (readonly string[])[] = []
  const statuses: number[] = []
  for (const user of ['2000001:2000001', '2000001:2000001', '2000002:2000002']) {
    const limits = { cpus: 1, memoryMb: 64, processes: 16 }
    const command = ['sh', '-c', 'echo x > /app/file && echo x > /cache/file']
    fresh.push(await plain.create({ name, owner, image, command, user, limits, network: 'none', volumes }))
    statuses.push((await plain.run(name, { line: () => undefined, signal: AbortSignal.timeout(30_000) })).status)
    await plain.removeAll(owner)
  }

  expect(statuses).toEqual([0, 0, 0])
  expect(fresh.map((names) => names.includes(`${name}-kept`))).toEqual([true, false, true])
  expect((await plain.gaps()).disk).toContain('volumesDirectory')
  expect(await plain.volumeUse(`${name}-work`)).toBeNull()
  expect((await boxes.gaps()).disk).toBeNull()
  await plain.removeVolume(`${name}-kept`)
  await boxes.removeVolume(kept)
  expect((await left()).volumes).toEqual([])
})
