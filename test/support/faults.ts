// Calls to the engine, the edge and the store, counted, so that the n-th can fail.
import type { Context } from '../../src/core/context.ts'
import { UnavailableError } from '../../src/lib/errors.ts'

/** Whose calls count: where a thing of the outside is asked or told. */
export type Side = 'engine' | 'edge' | 'store'

export interface Fault {
  readonly sides: readonly Side[]
  /** The n-th call of these sides from now. */
  readonly at: number
  /** before: nothing was done; after: it was done, and the answer got lost. */
  readonly timing: 'before' | 'after'
  /** once, or every call from then on until `heal`. */
  readonly lasts: 'once' | 'on'
}

const ENGINE = ['observe', 'ensure', 'start', 'stop', 'remove', 'removeNetwork', 'resolveImage', 'removeImage', 'listening', 'info'] as const
const EDGE = ['serve', 'generation', 'inFlight', 'readings', 'held', 'takenOut', 'cut', 'info'] as const
const CODES: Readonly<Record<Side, string>> = { engine: 'runtime.unreachable', edge: 'edge.unreachable', store: 'store.busy' }

/** Faults of one life of a server. */
export class Faults {
  #fault: Fault | null = null
  #calls = 0
  #left = Number.POSITIVE_INFINITY
  /** The calls that failed, for people. */
  readonly struck: string[] = []

  /** The same context, whose calls go through here. */
  around(context: Context): Context {
    const { store } = context
    const read = new Proxy(store.read, {
      get: (target, name) => {
        const part: unknown = Reflect.get(target, name)
        if (typeof part !== 'function') return this.#wrap('store', part as object, ['get', 'find', 'list'])
        return (...args: never[]) => this.#call('store', `read ${String(name)}`, () => part.apply(target, args) as Promise<unknown>)
      },
    })
    const counted = new Proxy(store, {
      get: (target, name) => {
        if (name === 'read') return read
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'transaction') return value.bind(target)
        return (work: never) => this.#call('store', 'transaction', () => value.call(target, work) as Promise<unknown>)
      },
    })
    return { ...context, store: counted, runtime: this.#wrap('engine', context.runtime, ENGINE), edge: this.#wrap('edge', context.edge, EDGE) }
  }

  arm(fault: Fault): void {
    this.#fault = fault
    this.#calls = 0
    this.struck.length = 0
  }

  heal(): void {
    this.#fault = null
  }

  /** Calls since it was armed, of the sides that count. */
  get calls(): number {
    return this.#calls
  }

  /** Nothing happens any more after so many calls: the last of them is still done, and its answer is not heard. */
  killAfter(calls: number): void {
    this.#left = calls
  }

  get isDead(): boolean {
    return this.#left <= 0
  }

  #wrap<T extends object>(side: Side, target: T, names: readonly string[]): T {
    return new Proxy(target, {
      get: (inner, name) => {
        const value: unknown = Reflect.get(inner, name)
        if (typeof value !== 'function') return value
        if (!names.includes(String(name))) return value.bind(inner)
        return (...args: never[]) => this.#call(side, String(name), () => value.apply(inner, args) as Promise<unknown>)
      },
    })
  }

  async #call(side: Side, name: string, work: () => Promise<unknown>): Promise<never> {
    if (this.isDead) throw new UnavailableError(CODES[side], 'this server was killed')
    const strikes = this.#strikes(side)
    if (strikes && this.#fault?.timing === 'before') this.#fail(side, name)
    const answer = await work()
    this.#left -= 1
    if (this.isDead) throw new UnavailableError(CODES[side], 'this server was killed')
    if (strikes) this.#fail(side, name)
    return answer as never
  }

  #strikes(side: Side): boolean {
    if (!this.#fault?.sides.includes(side)) return false
    this.#calls += 1
    return this.#fault.lasts === 'once' ? this.#calls === this.#fault.at : this.#calls >= this.#fault.at
  }

  #fail(side: Side, name: string): never {
    this.struck.push(`${side} ${name}`)
    throw new UnavailableError(CODES[side], `the ${side} does not answer (${name}, a fault of the test)`)
  }
}
