import { z } from 'zod'
import { pause } from '../../../lib/clock.ts'
import { ConflictError, NotFoundError, UnavailableError } from '../../../lib/errors.ts'
import type { Driver } from '../../driver.ts'
import type { ImageFacts, LogLine, Runtime, RuntimeParts } from '../types.ts'
import { digestOf, sizeOf } from './behaviour.ts'
import { FakeInstance } from './instance.ts'

const Config = z
  .strictObject({
    unreachable: z.boolean().default(false).describe('Every call fails as if the engine did not answer'),
    delayMs: z.int().min(0).max(60_000).default(0).describe('How long every call takes'),
  })
  .describe('Instances as small HTTP servers of the server itself, on loopback addresses: for trying and for tests')
type Config = z.infer<typeof Config>

/** What tests turn while it runs. */
export interface Knobs {
  unreachable: boolean
  delayMs: number
  freeBytes: number
  /** Bytes that an instance has written, by its name. */
  readonly written: Map<string, number>
  /** Addresses that somebody else has. */
  foreign: readonly string[]
  /** Names of instances that run and have lost their network. */
  readonly detached: Set<string>
  /** Ends an instance as a crash of its own does. */
  crash(name: string, status?: number): void
  /** Takes an instance away behind our back, as `docker rm -f` does. */
  vanish(name: string): void
  /** Digests of images that were taken away behind our back, as `docker image prune -a` does. */
  readonly pruned: Set<string>
}

export const fake: Driver<RuntimeParts, typeof Config, unknown> = {
  name: 'fake',
  Config,
  create: async (config) => ({ runtime: openFake(config).runtime, boxes: null }),
}

/** The fake with its knobs. */
export function openFake(config: Partial<Config> = {}): { readonly runtime: Runtime; readonly knobs: Knobs } {
  const instances = new Map<string, FakeInstance>()
  const watchers = new Set<(name: string) => void>()
  const changed = (name: string): void => {
    for (const tell of watchers) tell(name)
  }
  const knobs: Knobs = {
    unreachable: config.unreachable ?? false,
    delayMs: config.delayMs ?? 0,
    freeBytes: 1024 ** 4,
    written: new Map(),
    foreign: [],
    detached: new Set(),
    pruned: new Set(),
    crash: (name, status) => instances.get(name)?.crash(status),
    vanish: (name) => {
      knobs.detached.delete(name)
      instances.get(name)?.dispose()
      instances.delete(name)
    },
  }
  const answer = async (): Promise<void> => {
    if (knobs.delayMs > 0) await pause(knobs.delayMs)
    if (knobs.unreachable) throw new UnavailableError('runtime.unreachable', 'The fake engine does not answer: it was told so')
  }
  const there = async (name: string): Promise<FakeInstance> => {
    await answer()
    const instance = instances.get(name)
    if (!instance) throw new NotFoundError('runtime.not_found', `There is no instance ${name}`)
    return instance
  }
  const runtime: Runtime = {
    observe: async (environmentId) => {
      await answer()
      const all = [...instances.values()].map((instance) => {
        const observed = instance.observe()
        return knobs.detached.has(observed.name) ? { ...observed, isAttached: false } : observed
      })
      return all.filter((one) => environmentId === undefined || one.environmentId === environmentId).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    },
    ensure: async (spec) => {
      await answer()
      const present = instances.get(spec.name)
      if (present && present.spec.key === spec.key && present.spec.digest === spec.digest) {
        present.spec = { ...present.spec, keepAlive: spec.keepAlive }
        return
      }
      present?.dispose()
      instances.set(spec.name, new FakeInstance(spec, changed))
    },
    start: async (name) => (await there(name)).start(),
    putFile: async (name) => void (await there(name)),
    stop: async (name) => {
      await answer()
      await instances.get(name)?.stop()
    },
    remove: async (name) => {
      await answer()
      knobs.vanish(name)
    },
    removeNetwork: async (environmentId) => {
      await answer()
      if ([...instances.values()].some((instance) => instance.spec.environmentId === environmentId))
        throw new ConflictError('runtime.network_in_use', `Network ${environmentId} is still used by instances: remove them first`)
    },
    resolveImage: async (reference): Promise<ImageFacts> => {
      await answer()
      const digest = /^sha256:[0-9a-f]{64}$/.test(reference) ? reference : digestOf(reference)
      if (knobs.pruned.has(digest)) throw new NotFoundError('image.not_found', `There is no image ${reference}`)
      return { digest, ports: [], volumes: [], sizeBytes: sizeOf(digest), createdAt: 0 }
    },
    takenAddresses: async ({ environmentId }, known) => {
      await answer()
      const others = [...instances.values()].map((instance) => instance.observe()).filter((one) => one.environmentId === environmentId && !known.has(one.name))
      return [...knobs.foreign, ...others.flatMap(({ state, address }) => (state === 'running' && address !== null ? [address] : []))]
    },
    stored: async () => [],
    writtenBytes: async () => {
      await answer()
      return new Map([...instances.keys()].map((name) => [name, knobs.written.get(name) ?? 0]))
    },
    freeBytes: async () => knobs.freeBytes,
    shareImage: async (digest, reference) => {
      await answer()
      return `${reference.replace(/:[^:/]+$/, '')}@${digest}`
    },
    removeImage: async (digest) => {
      await answer()
      return ![...instances.values()].some((instance) => instance.spec.digest === digest)
    },
    logs: (name, options) => readLines(() => there(name), watchers, options),
    exec: async (name, command) => {
      const instance = await there(name)
      if (instance.state !== 'running') throw new ConflictError('runtime.not_running', `${name} does not run`)
      const [word, ...rest] = command
      if (word === 'echo') return { status: 0, output: `${rest.join(' ')}\n` }
      if (word === 'exit') return { status: Number(rest[0] ?? 0), output: '' }
      return { status: word === 'false' || instance.behaviour.answers >= 500 ? 1 : 0, output: '' }
    },
    listening: async (name) => {
      const instance = await there(name)
      return instance.isListening ? [{ address: instance.address, port: instance.port }] : []
    },
    watch: (signal) => watchNames(watchers, signal),
    info: async () => ({
      name: 'fake',
      version: '1',
      checks: [{ name: 'engine', ok: !knobs.unreachable, sentence: 'Instances are small servers inside this process: nothing is run in containers' }],
    }),
  }
  return { runtime, knobs }
}

async function* readLines(
  find: () => Promise<FakeInstance>,
  watchers: Set<(name: string) => void>,
  options: { readonly sinceMs: number; readonly follow: boolean; readonly signal: AbortSignal },
): AsyncIterable<LogLine> {
  const instance = await find()
  let last: LogLine | undefined
  for (;;) {
    // Old lines are thrown away at the front: the last one that was given is found again, not counted.
    const fresh = instance.lines.slice(last === undefined ? 0 : instance.lines.indexOf(last) + 1)
    for (const line of fresh) {
      if (options.signal.aborted) return
      if (line.at >= options.sinceMs) yield line
    }
    last = fresh.at(-1) ?? last
    if (!options.follow || instance.state === 'exited' || options.signal.aborted) return
    await nextChange(watchers, options.signal, 50)
  }
}

async function* watchNames(watchers: Set<(name: string) => void>, signal: AbortSignal): AsyncIterable<string> {
  const waiting = new Set<string>()
  const note = (name: string): void => void waiting.add(name)
  watchers.add(note)
  try {
    while (!signal.aborted) {
      for (const name of waiting) {
        waiting.delete(name)
        yield name
      }
      if (waiting.size === 0) await nextChange(watchers, signal, 60_000)
    }
  } finally {
    watchers.delete(note)
  }
}

function nextChange(watchers: Set<(name: string) => void>, signal: AbortSignal, atMostMs: number): Promise<void> {
  const woken = new AbortController()
  const wake = (): void => woken.abort()
  watchers.add(wake)
  return pause(atMostMs, AbortSignal.any([woken.signal, signal])).finally(() => watchers.delete(wake))
}
