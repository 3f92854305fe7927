import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { DEFAULT_RUN_SPEC } from '../../core/artifact/artifact.ts'
import type { ObservedInstance } from '../../core/instance/instance.ts'
import { codeOf } from '../../lib/errors.ts'
import { randomWord } from '../../lib/ids.ts'
import type { InstanceSpec, LogLine, Runtime } from './types.ts'

/** What a driver gives to be held to the contract. */
export interface RuntimeUnderTest {
  readonly runtime: Runtime
  /** One of a system that does not answer. */
  readonly unreachable: Runtime
  /** References of images: an app that answers on PORT and ends at SIGTERM, one that ignores it, one that exits non-zero at once. */
  readonly images: { readonly good: string; readonly other: string; readonly stubborn: string; readonly exits: string }
  /** A range of 64 addresses for this run, as `10.213.7.0`. */
  readonly network: string
  /** Commands of those images. */
  readonly commands: { exit(status: number): readonly string[]; say(text: string): readonly string[] }
  /** Ends the app of an instance as a crash of its own does. */
  crash(name: string): Promise<void>
}

/** The suite every runtime passes; only therefore may unit tests trust the fake. */
export function runtimeContract(open: () => Promise<RuntimeUnderTest>): void {
  const environmentId = `e-${randomWord(8)}`
  let it: RuntimeUnderTest
  let digests: Readonly<Record<'good' | 'other' | 'stubborn' | 'exits', string>>
  let address = 3

  beforeAll(async () => {
    it = await open()
    const { images, runtime } = it
    const digestOf = async (reference: string): Promise<string> => (await runtime.resolveImage(reference)).digest
    digests = {
      good: await digestOf(images.good),
      other: await digestOf(images.other),
      stubborn: await digestOf(images.stubborn),
      exits: await digestOf(images.exits),
    }
  })

  afterAll(async () => {
    for (const { name } of await it.runtime.observe(environmentId)) await it.runtime.remove(name)
    await it.runtime.removeNetwork(environmentId)
  })

  function aSpec(change: Partial<InstanceSpec> = {}): InstanceSpec {
    const ordinal = address++
    const prefix = it.network.split('.').slice(0, 3).join('.')
    const spec: InstanceSpec = {
      name: `lockgate-test-${environmentId}-1-${ordinal}`,
      kind: 'instance',
      projectId: 'p-test',
      environmentId,
      set: 1,
      ordinal,
      key: `k-${randomWord(8)}`,
      digest: digests.good,
      reference: null,
      command: null,
      env: { PORT: '8080', GREETING: 'hello' },
      address: `${prefix}.${ordinal}`,
      subnet: { environmentId, projectId: 'p-test', cidr: `${it.network}/26`, gateway: `${prefix}.1` },
      limits: { ...DEFAULT_RUN_SPEC.limits, memoryMb: 128 },
      stopSignal: 'SIGTERM',
      stopGraceMs: 5_000,
      keepAlive: false,
      ...change,
    }
    onTestFinished(() => it.runtime.remove(spec.name))
    return spec
  }

  async function seen(name: string): Promise<ObservedInstance | null> {
    return (await it.runtime.observe(environmentId)).find((instance) => instance.name === name) ?? null
  }

  async function answerOf(spec: InstanceSpec): Promise<number> {
    const instance = await seen(spec.name)
    const response = await fetch(`http://${instance?.address}:${spec.env['PORT']}/`, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.status
  }

  async function started(change: Partial<InstanceSpec> = {}): Promise<InstanceSpec> {
    const spec = aSpec(change)
    await it.runtime.ensure(spec)
    await it.runtime.start(spec.name)
    await expect.poll(() => answerOf(spec).catch(() => 0), { timeout: 10_000 }).toEqual(200)
    return spec
  }

  async function linesOf(name: string, wanted: number, follow: boolean): Promise<LogLine[]> {
    const stop = new AbortController()
    const lines: LogLine[] = []
    const late = setTimeout(() => stop.abort(), 10_000)
    for await (const line of it.runtime.logs(name, { sinceMs: 0, follow, signal: stop.signal })) if (lines.push(line) >= wanted) stop.abort()
    clearTimeout(late)
    return lines
  }

  describe('an instance', () => {
    test('that runs and is not known has its address taken, one that is known or does not run has not', async () => {
      const [known, unknown] = [await started(), await started()]
      const resting = aSpec()
      await it.runtime.ensure(resting)

      const taken = await it.runtime.takenAddresses(known.subnet, new Set([known.name]))

      const addressOf = async ({ name }: InstanceSpec): Promise<string | null> => (await seen(name))?.address ?? null
      expect(taken).toContain(await addressOf(unknown))
      expect(taken).not.toContain(await addressOf(known))
      expect(taken).not.toContain(await addressOf(resting))
    })

    test('that is ensured is there, not started, as its spec says', async () => {
      const spec = aSpec()

      await it.runtime.ensure(spec)

      const { name, kind, set, ordinal, key, digest } = spec
      expect(await seen(spec.name)).toMatchObject({
        name,
        environmentId,
        kind,
        set,
        ordinal,
        key,
        digest,
        state: 'created',
        exitCode: null,
        restarts: 0,
        startedAt: null,
      })
    })

    test('that is ensured twice is there once, and runs on', async () => {
      const spec = await started()
      const before = await seen(spec.name)

      await Promise.all([it.runtime.ensure(spec), it.runtime.ensure(spec)])

      expect(await seen(spec.name)).toEqual(before)
    })

    test('that is started answers at its address, also when it is started twice', async () => {
      const spec = await started()

      await it.runtime.start(spec.name)

      expect(await answerOf(spec)).toEqual(200)
      expect(await seen(spec.name)).toMatchObject({ state: 'running', exitCode: null, oomKilled: false })
      expect((await seen(spec.name))?.startedAt).toBeGreaterThan(0)
    })

    test('with another key or image takes the place of the one before', async () => {
      const spec = await started()

      await it.runtime.ensure({ ...spec, key: 'k-next', digest: digests.other })

      expect(await seen(spec.name)).toMatchObject({ key: 'k-next', digest: digests.other, state: 'created' })
    })

    test('that is stopped ends by its signal, and says with what status', async () => {
      const spec = await started()

      await it.runtime.stop(spec.name)

      expect(await seen(spec.name)).toMatchObject({ state: 'exited', exitCode: 0 })
      await it.runtime.stop(spec.name)
    })

    test('that does not end within its grace is killed', async () => {
      const spec = await started({ digest: digests.stubborn, stopGraceMs: 1_000 })
      const startedAt = performance.now()

      await it.runtime.stop(spec.name)

      expect(performance.now() - startedAt).toBeGreaterThan(900)
      expect(await seen(spec.name)).toMatchObject({ state: 'exited', exitCode: 137 })
    })

    test('that was stopped is not started again, though it is kept alive', async () => {
      const spec = await started({ digest: digests.stubborn, stopGraceMs: 1_000, keepAlive: true })

      await it.runtime.stop(spec.name)

      expect(await seen(spec.name)).toMatchObject({ state: 'exited', restarts: 0 })
    })

    test('that crashes stays down, with its status', async () => {
      const spec = await started()

      await it.crash(spec.name)

      await expect.poll(async () => (await seen(spec.name))?.state, { timeout: 10_000 }).toEqual('exited')
      expect((await seen(spec.name))?.exitCode).not.toEqual(0)
    })

    test('that is kept alive is started again when it crashes', async () => {
      const spec = await started()
      await it.runtime.ensure({ ...spec, keepAlive: true })

      await it.crash(spec.name)

      await expect.poll(async () => (await seen(spec.name))?.restarts, { timeout: 10_000 }).toBeGreaterThan(0)
      await expect.poll(() => answerOf(spec).catch(() => 0), { timeout: 10_000 }).toEqual(200)
    })

    test('whose app cannot start is seen as exited', async () => {
      const spec = aSpec({ digest: digests.exits })
      await it.runtime.ensure(spec)

      await it.runtime.start(spec.name)

      await expect.poll(async () => (await seen(spec.name))?.state, { timeout: 10_000 }).toEqual('exited')
      expect((await seen(spec.name))?.exitCode).toBeGreaterThan(0)
    })

    test('that is removed is gone, and removing it again is fine', async () => {
      const spec = await started()

      await it.runtime.remove(spec.name)
      await it.runtime.remove(spec.name)

      expect(await seen(spec.name)).toBeNull()
    })
  })

  test('what is not there can be stopped and removed, but not started', async () => {
    await it.runtime.stop('lockgate-test-nothing')
    await it.runtime.remove('lockgate-test-nothing')

    await expect(it.runtime.start('lockgate-test-nothing')).rejects.toMatchObject({ code: 'runtime.not_found' })
  })

  test('a one-off runs its command, and its status is kept', async () => {
    const spec = aSpec({ kind: 'one-off', command: it.commands.exit(7), address: null })
    await it.runtime.ensure(spec)

    await it.runtime.start(spec.name)

    await expect.poll(() => seen(spec.name), { timeout: 10_000 }).toMatchObject({ kind: 'one-off', state: 'exited', exitCode: 7 })
  })

  test('a followed log ends with its instance', async () => {
    const spec = aSpec({ kind: 'one-off', command: it.commands.say('first light'), address: null })
    await it.runtime.ensure(spec)
    await it.runtime.start(spec.name)

    const lines = await linesOf(spec.name, 1_000, true)

    expect(lines.map((line) => line.text)).toContain('first light')
    expect(Math.abs((lines[0]?.at ?? 0) - Date.now())).toBeLessThan(60_000)
  })

  test('a log can be read without following, from a time on', async () => {
    const spec = await started()

    expect((await linesOf(spec.name, 1_000, false)).length).toBeGreaterThan(0)

    const later = it.runtime.logs(spec.name, { sinceMs: Date.now() + 60_000, follow: false, signal: new AbortController().signal })
    expect(await Array.fromAsync(later)).toEqual([])
  })

  test('a followed log of a running instance ends with the signal', async () => {
    const spec = await started()

    expect(await linesOf(spec.name, 1, true)).toHaveLength(1)
  })

  test('a command inside gives its status and what it says', async () => {
    const spec = await started()

    expect(await it.runtime.exec(spec.name, it.commands.exit(5), 10_000)).toMatchObject({ status: 5 })
    expect((await it.runtime.exec(spec.name, it.commands.say('hello inside'), 10_000)).output.trim()).toEqual('hello inside')
  })

  test('what a running instance has written is measured, of each that runs', async () => {
    const [first, second] = [await started(), await started()]

    const written = await it.runtime.writtenBytes()

    for (const { name } of [first, second]) expect(written.get(name), name).toBeLessThan(1024 ** 2)
  })

  test('where an instance listens can be seen', async () => {
    const spec = await started()

    const listening = await it.runtime.listening(spec.name)

    expect(listening?.map((socket) => socket.port)).toContain(8080)
  })

  test('changes are hinted to who watches', async () => {
    const spec = aSpec()
    const stop = new AbortController()
    const names: string[] = []
    const watching = (async () => {
      for await (const name of it.runtime.watch(stop.signal)) names.push(name)
    })()
    await it.runtime.ensure(spec)
    await it.runtime.start(spec.name)

    await expect.poll(() => names, { timeout: 10_000 }).toContain(spec.name)
    stop.abort()
    await watching
  })

  test('a network with instances is not removed', async () => {
    await started()

    await expect(it.runtime.removeNetwork(environmentId)).rejects.toMatchObject({ code: 'runtime.network_in_use' })
  })

  test('an image is found by its digest, too', async () => {
    expect((await it.runtime.resolveImage(digests.good)).digest).toEqual(digests.good)
    await expect(it.runtime.resolveImage('Not An Image')).rejects.toMatchObject({ code: 'image.invalid_reference' })
  })

  test('an image that is in use is not removed', async () => {
    const spec = await started()

    expect(await it.runtime.removeImage(spec.digest)).toEqual(false)
  })

  test('it says what it is, and whether it is fine', async () => {
    const info = await it.runtime.info()

    expect(info.version).not.toEqual('')
    expect(info.checks.filter((check) => !check.ok)).toEqual([])
  })

  test('an unreachable system is an UnavailableError in every verb, and a failed check for doctor', async () => {
    const { unreachable } = it
    const signal = new AbortController().signal
    const verbs = [
      unreachable.observe(),
      unreachable.ensure(aSpec()),
      unreachable.start('x'),
      unreachable.stop('x'),
      unreachable.remove('x'),
      unreachable.resolveImage(it.images.good),
      unreachable.exec('x', it.commands.exit(0), 1_000),
      unreachable.listening('x'),
      Array.fromAsync(unreachable.logs('x', { sinceMs: 0, follow: false, signal })),
    ]

    const codes = (await Promise.allSettled<unknown>(verbs)).map((result) => (result.status === 'rejected' ? codeOf(result.reason) : 'answered'))

    expect(new Set(codes)).toEqual(new Set(['runtime.unreachable']))
    expect((await unreachable.info()).checks.some((check) => !check.ok)).toEqual(true)
  })
}
