import { pause } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { LineRedactor, Redactor } from '../../lib/sensitive.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { ObservedInstance } from '../instance/instance.ts'
import { Redactors } from '../secret/redactors.ts'
import type { LogBook } from './book.ts'
import type { LogKey } from './log.ts'

interface Following {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

/** Keeps the logs of instances and one-offs while they live, secrets redacted; goes on where it stopped after a restart. */
export class LogCollector {
  readonly #context: Pick<Context, 'store' | 'runtime' | 'sealer' | 'log'>
  readonly #book: LogBook
  readonly #redactors: Redactors
  readonly #following = new Map<string, Following>()
  /** Time of the last line kept, by instance. */
  readonly #last = new Map<string, number>()

  constructor(context: Pick<Context, 'store' | 'runtime' | 'sealer' | 'log'>, book: LogBook) {
    this.#context = context
    this.#book = book
    this.#redactors = new Redactors(context)
  }

  /** Starts to follow what runs and is not followed yet. */
  observe(all: readonly ObservedInstance[]): void {
    for (const observed of all) this.#start(observed)
    const present = new Set(all.map((observed) => observed.name))
    for (const [name, following] of this.#following) {
      if (present.has(name)) continue
      following.stop.abort()
      this.#following.delete(name)
    }
  }

  /** Resolves when all that it said until it stopped is kept, or after 2 s; also of one that came and went between two listings. */
  async finished(observed: ObservedInstance): Promise<void> {
    this.#start(observed)
    const following = this.#following.get(observed.name)
    if (following) await Promise.race([following.ended, pause(2_000)])
    await this.#book.flush()
  }

  async close(): Promise<void> {
    for (const following of this.#following.values()) following.stop.abort()
    await this.#book.flush()
  }

  #start(observed: ObservedInstance): void {
    if (observed.state === 'created' || this.#following.has(observed.name)) return
    const stop = new AbortController()
    const ended = this.#follow(observed, stop.signal).catch((error: unknown) => {
      this.#context.log.warn('log of an instance ended', { name: observed.name, error: messageOf(error) })
    })
    this.#following.set(observed.name, { stop, ended })
    void ended.then(() => this.#again(observed))
  }

  /** A stream that ended is opened again at the next listing, when its container runs again. */
  #again(observed: ObservedInstance): void {
    if (observed.state !== 'exited') this.#following.delete(observed.name)
  }

  async #follow(observed: ObservedInstance, signal: AbortSignal): Promise<void> {
    const key: LogKey = observed.kind === 'one-off' ? `one-off/${observed.key}` : `environment/${observed.environmentId}`
    const redactor = await this.#redactorOf(observed)
    const lines = { stdout: new LineRedactor(redactor), stderr: new LineRedactor(redactor) }
    const since = this.#last.get(observed.name) ?? (await this.#resumeFrom(key, observed.name))
    for await (const line of this.#context.runtime.logs(observed.name, { sinceMs: since, follow: true, signal })) {
      if (line.at <= since) continue
      this.#last.set(observed.name, line.at)
      await this.#book.append(key, { at: line.at, source: observed.name, stream: line.stream, text: lines[line.stream].line(line.text) })
    }
    for (const stream of ['stdout', 'stderr'] as const) {
      const text = lines[stream].end()
      if (text !== null) await this.#book.append(key, { at: this.#last.get(observed.name) ?? since, source: observed.name, stream, text })
    }
  }

  async #resumeFrom(key: LogKey, name: string): Promise<number> {
    const kept = await this.#book.tail(key, 2_000)
    return kept.findLast((record) => record.source === name)?.at ?? 0
  }

  async #redactorOf(observed: ObservedInstance): Promise<Redactor> {
    const { read } = this.#context.store
    const releaseId =
      observed.kind === 'one-off'
        ? (await read.oneOffs.find(EVERYTHING, observed.key))?.releaseId
        : (await read.instances.find(EVERYTHING, observed.name))?.releaseId
    if (releaseId === undefined) return new Redactor([])
    return this.#redactors.of(await read.releases.get(EVERYTHING, releaseId))
  }
}
