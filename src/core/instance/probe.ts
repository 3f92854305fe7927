import type { Runtime } from '../../drivers/runtime/types.ts'
import { pause, systemClock } from '../../lib/clock.ts'
import { ask, type ProbeTarget } from './ask.ts'
import type { ProbeResult, ProbeState } from './instance.ts'

/** While an instance starts it is asked this often. */
const STARTING_INTERVAL_MS = 100

interface Watched {
  readonly target: ProbeTarget
  readonly stop: AbortController
  state: ProbeState
  lastAnswer: string | null
  successes: number
  failures: number
  wasReady: boolean
}

const UNKNOWN: ProbeResult = { state: 'unknown', lastAnswer: null, failuresInARow: 0, wasReady: false }

/** Asks every running instance whether it answers; keeps what it heard, and tells whose environment changed. */
export class Prober {
  readonly #runtime: Pick<Runtime, 'exec'>
  readonly #changed: (environmentId: string) => void
  readonly #watched = new Map<string, Watched>()
  readonly #asked = new Set<string>()
  /** When each instance that is not ready was ready last, by the monotonic clock. */
  readonly #lastReady = new Map<string, number>()

  constructor(runtime: Pick<Runtime, 'exec'>, changed: (environmentId: string) => void) {
    this.#runtime = runtime
    this.#changed = changed
  }

  /** From now on asks exactly these instances of the environment. */
  watch(environmentId: string, targets: readonly ProbeTarget[]): void {
    const wanted = new Map(targets.map((target) => [target.name, target]))
    for (const [name, watched] of [...this.#watched]) {
      if (watched.target.environmentId !== environmentId) continue
      const target = wanted.get(name)
      if (target && isSame(target, watched.target)) {
        wanted.delete(name)
        continue
      }
      this.#drop(name)
      // Only how it is asked has changed: what it answered last still counts.
      if (!target || target.startedAt !== watched.target.startedAt) continue
      wanted.delete(name)
      this.#start(target, watched.state)
    }
    for (const target of wanted.values()) this.#start(target, this.#unasked(target.name).state)
  }

  result(name: string): ProbeResult {
    const watched = this.#watched.get(name)
    return watched
      ? { state: watched.state, lastAnswer: watched.lastAnswer, failuresInARow: watched.failures, wasReady: watched.wasReady }
      : this.#unasked(name)
  }

  /** How long ago an instance was ready last; null: never since this server started. */
  readyAgoMs(name: string): number | null {
    if (this.#watched.get(name)?.state === 'ready') return 0
    const at = this.#lastReady.get(name)
    return at === undefined ? null : systemClock.monotonic() - at
  }

  /** Nothing is known only of what was never asked since our own start: one that was, and is another process now, is not ready. */
  #unasked(name: string): ProbeResult {
    return this.#asked.has(name) ? { ...UNKNOWN, state: 'not-ready' } : UNKNOWN
  }

  close(): void {
    for (const name of [...this.#watched.keys()]) this.#drop(name)
  }

  #drop(name: string): void {
    const watched = this.#watched.get(name)
    if (watched?.state === 'ready') this.#lastReady.set(name, systemClock.monotonic())
    watched?.stop.abort()
    this.#watched.delete(name)
  }

  #start(target: ProbeTarget, state: ProbeState): void {
    const watched: Watched = { target, stop: new AbortController(), state, lastAnswer: null, successes: 0, failures: 0, wasReady: state === 'ready' }
    this.#watched.set(target.name, watched)
    void this.#loop(watched)
  }

  async #loop(watched: Watched): Promise<void> {
    const { health } = watched.target
    const signal = watched.stop.signal
    while (!signal.aborted) {
      const answer = await ask(watched.target, this.#runtime)
      if (signal.aborted) return
      watched.lastAnswer = answer.text
      watched.successes = answer.ok ? watched.successes + 1 : 0
      watched.failures = answer.ok ? 0 : watched.failures + 1
      const state = nextState(watched)
      watched.wasReady ||= state === 'ready'
      if (state !== 'unknown') this.#asked.add(watched.target.name)
      if (state !== watched.state) {
        if (watched.state === 'ready') this.#lastReady.set(watched.target.name, systemClock.monotonic())
        watched.state = state
        this.#changed(watched.target.environmentId)
      }
      await pause(watched.state === 'ready' ? health.intervalMs : Math.min(STARTING_INTERVAL_MS, health.intervalMs), signal)
    }
  }
}

/** Hysteresis: `rise` successes make it ready; a proven one needs `fall` failures before it is not. */
function nextState(watched: Watched): ProbeState {
  const { health, proven } = watched.target
  if (watched.successes >= health.rise) return 'ready'
  const allowed = watched.state === 'ready' || (proven && watched.state === 'unknown') ? health.fall : 1
  return watched.failures >= allowed ? 'not-ready' : watched.state
}

function isSame(a: ProbeTarget, b: ProbeTarget): boolean {
  return (
    a.address === b.address && a.port === b.port && a.startedAt === b.startedAt && a.host === b.host && JSON.stringify(a.health) === JSON.stringify(b.health)
  )
}
