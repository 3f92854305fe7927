import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { wipe } from '../../../../test/support/engine.ts'
import { volumesOf } from '../../../../test/support/folder.ts'
import { aRegistry, type RunningRegistry } from '../../../../test/support/registry.ts'
import type { BaseName } from '../../../core/build/build-plan.ts'
import { randomWord } from '../../../lib/ids.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { docker } from '../../runtime/docker/index.ts'
import type { Boxes } from '../../runtime/types.ts'
import { Bases } from './index.ts'

const installation = `t${randomWord(8)}`
let boxes: Boxes
let registry: RunningRegistry
let silent: Server

beforeAll(async () => {
  const parts = await docker.create(docker.Config.parse({ installation }), undefined)
  if (!parts.boxes) throw new Error('no boxes')
  boxes = parts.boxes
  registry = await aRegistry(false)
  silent = createServer(() => undefined).listen(0, '127.0.0.1')
})

afterAll(async () => {
  await wipe(installation, volumesOf(installation))
  await rm(volumesOf(installation), { recursive: true, force: true })
  await registry.stop()
  silent.close()
})

test('every base is there when it was asked for, and holds what it is for', async () => {
  const bases = new Bases({ boxes, registry: null, log: silentLog })

  const says = async (image: string, ...command: string[]): Promise<string> => (await run('docker', ['run', '--rm', image, ...command])).stdout.trim()

  expect(await says(await bases.image({ base: 'base', version: null }), 'make', '--version')).toContain('GNU Make')
  expect(await says(await bases.image({ base: 'node', version: null }), 'node', '--version')).toEqual(process.version)
  expect(await says(await bases.image({ base: 'node-build', version: null }), 'git', '--version')).toContain('git version')
  expect(await says(await bases.image({ base: 'node-build', version: null }), 'npm', '--version')).toMatch(/^11\./)
  expect(await boxes.findImage(await bases.image({ base: 'static', version: null }))).toMatch(/^sha256:/)
})

test('a language comes in the version that is asked for, with compilers only where they are wanted', async () => {
  const bases = new Bases({ boxes, registry: null, log: silentLog })
  const says = async (base: BaseName, version: string | null, ...command: string[]): Promise<string> =>
    (await run('docker', ['run', '--rm', await bases.image({ base, version }), ...command])).stdout.trim()

  expect(await says('node', '22.23.3', 'node', '--version')).toEqual('v22.23.3')
  expect(await says('node', '22.23.3', 'npm', '--version')).toMatch(/^10\./)
  expect(await says('node', '26.10.0', 'npm', '--version')).toMatch(/^11\./)
  expect(await says('python', '3.11', 'python', '--version')).toMatch(/^Python 3\.11\./)
  expect(await says('node-build', null, 'sh', '-c', 'which gcc || echo none')).toEqual('none')
  await expect(bases.image({ base: 'node', version: '22.999.0' })).rejects.toMatchObject({ code: 'bases.no_such_version' })
})

test('a base goes to a registry and comes back', async () => {
  const tag = await new Bases({ boxes, registry: null, log: silentLog }).image({ base: 'base', version: null })
  const remote = `127.0.0.1:${registry.port}/lockgate/base:1`
  await boxes.tag(tag, remote)
  await boxes.push(remote)
  await run('docker', ['rmi', remote])

  expect(await boxes.pull(remote, 3_000, true)).toBeNull()

  expect(await boxes.findImage(remote)).toEqual(await boxes.findImage(tag))
  await run('docker', ['rmi', remote])
})

test('a registry that does not have it, is not there, or says nothing is no reason to wait', async () => {
  const address = silent.address()
  const silentPort = typeof address === 'object' && address ? address.port : 0
  const startedAt = performance.now()

  expect(await boxes.pull(`127.0.0.1:${registry.port}/lockgate/nothing:1`, 3_000, true)).not.toBeNull()
  expect(await boxes.pull('127.0.0.1:9/lockgate/base:1', 3_000, true)).not.toBeNull()
  expect(await boxes.pull(`127.0.0.1:${silentPort}/lockgate/base:1`, 3_000, true)).not.toBeNull()

  expect(performance.now() - startedAt).toBeLessThan(10_000)
})
