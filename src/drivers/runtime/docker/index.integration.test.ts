import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { volumesOf } from '../../../../test/support/folder.ts'
import { testImage } from '../../../../test/support/images.ts'
import { randomWord } from '../../../lib/ids.ts'
import { run } from '../../../lib/run.ts'
import { runtimeContract } from '../contract.ts'
import type { Boxes, InstanceSpec, Runtime, RuntimeParts } from '../types.ts'
import { removeFilter } from './build-filter.ts'
import { docker } from './index.ts'

const installation = `t${randomWord(8)}`
// 10.214/16 cut by the clock: two runs side by side do not want the same range.
const network = `10.214.${Math.floor(Math.random() * 256)}.0`
let parts: RuntimeParts
let boxes: Boxes
let runtime: Runtime
let deaf: Server
const deafSocket = join(tmpdir(), `lockgate-deaf-${randomWord(8)}.sock`)

async function opened(socket?: string): Promise<RuntimeParts> {
  return docker.create(
    docker.Config.parse({
      installation,
      volumesDirectory: volumesOf(installation),
      instanceRange: '10.214.0.0/16',
      timeoutMs: socket ? 300 : 30_000,
      ...(socket ? { socket } : {}),
    }),
    undefined,
  )
}

beforeAll(async () => {
  parts = await opened()
  runtime = parts.runtime
  if (!parts.boxes) throw new Error('no boxes')
  boxes = parts.boxes
  // Accepts, and never says a word.
  deaf = createServer(() => undefined).listen(deafSocket)
})

afterAll(async () => {
  deaf.close()
  for (const { name } of await runtime.observe()) await runtime.remove(name)
  await removeFilter(installation)
  await rm(volumesOf(installation), { recursive: true, force: true })
})

runtimeContract(async () => ({
  runtime,
  unreachable: (await opened(deafSocket)).runtime,
  images: {
    good: await testImage(boxes, 'hello'),
    other: await testImage(boxes, 'hello', '2'),
    stubborn: await testImage(boxes, 'stubborn'),
    exits: await testImage(boxes, 'exits'),
  },
  network,
  commands: { exit: (status) => ['sh', '-c', `exit ${status}`], say: (text) => ['echo', text] },
  crash: async (name) => {
    // The first process is the engine's init: the app is its only child, and its end ends the container with its status.
    await runtime.exec(name, ['sh', '-c', 'kill -9 $(pidof node)'], 10_000)
  },
}))

test('a socket that is not there is an engine that does not answer', async () => {
  const { runtime: missing } = await opened('/nonexistent/docker.sock')

  await expect(missing.observe()).rejects.toMatchObject({ code: 'runtime.unreachable' })
})

test('an engine of another machine is refused with the reason', async () => {
  await expect(opened('tcp://192.0.2.1:2375')).rejects.toMatchObject({ code: 'runtime.remote' })
})

describe('a container', () => {
  const environmentId = `e-${randomWord(8)}`
  const [a, b, c] = network.split('.')

  function aSpec(change: Partial<InstanceSpec>): InstanceSpec {
    return {
      name: `lockgate-test-${environmentId}-${randomWord(4)}`,
      kind: 'instance',
      projectId: 'p-test',
      environmentId,
      set: 1,
      ordinal: 0,
      key: 'k-1',
      digest: '',
      reference: null,
      command: null,
      env: {},
      address: null,
      subnet: { environmentId, projectId: 'p-test', cidr: `${a}.${b}.${c}.64/26`, gateway: `${a}.${b}.${c}.65` },
      limits: { cpus: 0.5, memoryMb: 64, processes: 32 },
      stopSignal: 'SIGTERM',
      stopGraceMs: 1_000,
      keepAlive: false,
      ...change,
    }
  }

  afterAll(async () => {
    for (const { name } of await runtime.observe(environmentId)) await runtime.remove(name)
    await runtime.removeNetwork(environmentId)
  })

  test('that takes more memory than it may is seen as such, also when only a child was killed', async () => {
    const { digest } = await runtime.resolveImage(await testImage(boxes, 'hello'))
    const eat = 'node -e "const a = []; for (;;) a.push(Buffer.alloc(8 << 20, 1))"; exit 9'
    const spec = aSpec({ digest, kind: 'one-off', command: ['sh', '-c', eat] })
    await runtime.ensure(spec)
    await runtime.start(spec.name)

    await expect
      .poll(() => runtime.observe(environmentId), { timeout: 30_000 })
      .toContainEqual(expect.objectContaining({ name: spec.name, state: 'exited', exitCode: 9, oomKilled: true }))
  })

  test('has no raw network, no new privileges, a limit of processes, and its own address', async () => {
    const { digest } = await runtime.resolveImage(await testImage(boxes, 'slow'))
    const spec = aSpec({ digest, address: `${a}.${b}.${c}.70` })
    await runtime.ensure(spec)
    await runtime.start(spec.name)

    const status = await runtime.exec(spec.name, ['grep', '-E', 'CapBnd|NoNewPrivs', '/proc/self/status'], 10_000)

    expect(status.output).toMatch(/CapBnd:\s+00000000000004eb/)
    expect(status.output).toMatch(/NoNewPrivs:\s+1/)
    expect((await runtime.observe(environmentId)).find((one) => one.name === spec.name)?.address).toEqual(`${a}.${b}.${c}.70`)
  })

  test('whose probe hangs is not waited for', async () => {
    const { digest } = await runtime.resolveImage(await testImage(boxes, 'slow'))
    const spec = aSpec({ digest })
    await runtime.ensure(spec)
    await runtime.start(spec.name)

    await expect(runtime.exec(spec.name, ['sleep', '3600'], 500)).rejects.toMatchObject({ code: 'runtime.exec_timed_out' })

    await expect.poll(async () => (await runtime.exec(spec.name, ['pidof', 'sleep'], 5_000)).output).toEqual('')
  })

  test('runs a command through the entrypoint of its image, and is stopped by the signal that the image names', async () => {
    const [box, tag] = [`lockgate-${installation}-entry`, `lockgate-${installation}/entry:1`]
    await run('docker', ['create', '--stop-signal', 'SIGQUIT', '--name', box, await testImage(boxes, 'hello')])
    const entrypoint = 'ENTRYPOINT ["sh", "-c", "export FOO=from-entrypoint; exec \\"$@\\"", "entry"]'
    await run('docker', ['commit', '--change', entrypoint, '--change', 'CMD ["false"]', box, tag])
    await run('docker', ['rm', box])
    const { digest } = await runtime.resolveImage(tag)
    const program = 'echo "FOO=$FOO"; for one in QUIT TERM; do trap "echo got $one; exit 0" $one; done; while :; do sleep 0.1; done'
    const spec = aSpec({ digest, kind: 'one-off', command: ['sh', '-c', program], stopSignal: null })
    await runtime.ensure(spec)
    await runtime.start(spec.name)
    const output = async (): Promise<string> => (await run('docker', ['logs', spec.name])).stdout
    await expect.poll(output, { timeout: 20_000 }).toContain('FOO=from-entrypoint')

    await runtime.stop(spec.name)

    expect(await output()).toContain('got QUIT')
    await runtime.remove(spec.name)
    await run('docker', ['rmi', tag])
  })

  test('reads a file as its standard input, and its entrypoint sees the command as it is', async () => {
    const [box, tag] = [`lockgate-${installation}-reads`, `lockgate-${installation}/reads:1`]
    await run('docker', ['create', '--name', box, await testImage(boxes, 'hello')])
    await run('docker', ['commit', '--change', 'ENTRYPOINT ["sh", "-c", "echo first=$1; exec \\"$@\\"", "entry"]', box, tag])
    await run('docker', ['rm', box])
    const { digest } = await runtime.resolveImage(tag)
    const spec = aSpec({ digest, kind: 'one-off', command: ['cat', '-'], inputFile: 'in put' })
    await runtime.ensure(spec)
    await runtime.putFile(spec.name, { name: 'in put', bytes: Buffer.from('said') })
    await runtime.start(spec.name)

    await expect.poll(async () => (await run('docker', ['logs', spec.name])).stdout, { timeout: 20_000 }).toEqual('first=cat\nsaid')
    await runtime.remove(spec.name)
    await run('docker', ['rmi', tag])
  })

  test('of somebody else is never touched', async () => {
    const name = `not-ours-${randomWord(8)}`
    const tag = await testImage(boxes, 'hello')
    await run('docker', ['create', '--name', name, tag])
    try {
      const { digest } = await runtime.resolveImage(tag)
      await expect(runtime.ensure(aSpec({ name, digest }))).rejects.toMatchObject({ code: 'runtime.not_ours' })
      await expect(runtime.remove(name)).rejects.toMatchObject({ code: 'runtime.not_ours' })
      await expect(runtime.stop(name)).rejects.toMatchObject({ code: 'runtime.not_ours' })
    } finally {
      await run('docker', ['rm', '-f', name])
    }
  })

  test('is made anew when its image is another, and a missing image is said', async () => {
    const missing = `sha256:${'0'.repeat(64)}`

    await expect(runtime.ensure(aSpec({ digest: missing }))).rejects.toMatchObject({ code: 'runtime.image_missing' })
  })
})

describe('an image', () => {
  test('that no registry has is said with the registry that was meant', async () => {
    await expect(runtime.resolveImage('lockgate-no-such-image:1')).rejects.toMatchObject({
      code: expect.stringMatching(/^image\.(not_found|registry_unreachable|pull_failed)$/),
      message: expect.stringContaining('docker.io/library/lockgate-no-such-image:1 (a name without a registry means docker.io)'),
    })
  })

  test('of a registry that does not answer is said as such', async () => {
    await expect(runtime.resolveImage('127.0.0.1:9/x/y:1')).rejects.toMatchObject({ code: 'image.registry_unreachable' })
  })

  test('that is not there by digest is not found', async () => {
    await expect(runtime.resolveImage(`sha256:${'1'.repeat(64)}`)).rejects.toMatchObject({ code: 'image.not_found' })
  })

  test('is found by a tag, a digest or its whole id, and never by the beginning of an id', async () => {
    const tag = await testImage(boxes, 'hello')
    const { digest } = await runtime.resolveImage(tag)
    const hex = digest.replace('sha256:', '')

    for (const name of [tag, digest]) expect([name, await boxes.findImage(name)]).toEqual([name, digest])
    for (const length of [1, 2, 4, 12, 20, 63, 64]) {
      const part = hex.slice(0, length)
      expect([part, await boxes.findImage(part), await boxes.describeImage(part)]).toEqual([part, null, null])
      await expect(runtime.resolveImage(part), part).rejects.toThrow()
    }
    for (const name of [`sha256:${hex.slice(0, 12)}`, `${tag.split(':')[0]}@${digest}`, `${tag}@sha256:${'0'.repeat(64)}`, 'x/../../containers'])
      expect([name, await boxes.findImage(name)]).toEqual([name, null])
  })

  test('that was built for another app is not given to one that names it, by whatever name', async () => {
    const tag = `lockgate-${installation}/theirs:b-1`
    const box = `lockgate-${installation}-theirs`
    await boxes.create({
      name: box,
      owner: 'x',
      image: await testImage(boxes, 'hello'),
      command: ['true'],
      limits: { cpus: 1, memoryMb: 64, processes: 32 },
      network: 'none',
    })
    const digest = await boxes.commit(box, { tag, labels: { 'lockgate.app': 'a-theirs' } })
    await boxes.remove(box)

    for (const name of [tag, digest]) {
      await expect(runtime.resolveImage(name, { id: 'a-mine', trust: 'protected' })).rejects.toMatchObject({ code: 'image.of_another_app' })
      expect(await runtime.resolveImage(name, { id: 'a-theirs', trust: 'protected' })).toMatchObject({ digest })
      expect(await runtime.resolveImage(name)).toMatchObject({ digest })
    }
    await runtime.removeImage(digest)
  })

  test('that somebody else brought into the engine is never removed, one of ours is', async () => {
    const tag = await testImage(boxes, 'hello')
    expect(await runtime.removeImage((await runtime.resolveImage(tag)).digest)).toEqual(false)

    const box = `lockgate-${installation}-img`
    await boxes.create({ name: box, owner: 'x', image: tag, command: ['true'], limits: { cpus: 1, memoryMb: 64, processes: 32 }, network: 'none' })
    const made = await boxes.commit(box, { tag: `lockgate-${installation}/app:b-1`, env: { NEW: '1' } })
    await boxes.remove(box)
    expect(await runtime.removeImage(made)).toEqual(true)
    expect(await boxes.findImage(`lockgate-${installation}/app:b-1`)).toBeNull()
  })
})
