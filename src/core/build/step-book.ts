import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Build } from './build.ts'
import type { BuildStep } from './build-step.ts'

/** More than any build has; a Dockerfile of ten thousand lines does not fill the database. */
const MOST_STEPS = 500

/** Writes the steps of one build down as they begin and end, in order. */
export class StepBook {
  readonly #context: Pick<Context, 'store' | 'clock'>
  readonly #build: Build
  readonly #begun = new Set<number>()
  #last: Promise<void> = Promise.resolve()

  constructor(context: Pick<Context, 'store' | 'clock'>, build: Build) {
    this.#context = context
    this.#build = build
  }

  /** What an attempt before a restart of the server did is not part of this one. */
  async clear(): Promise<void> {
    const { store } = this.#context
    const old = await store.read.buildSteps.list(EVERYTHING, { where: { buildId: this.#build.id } })
    if (old.length > 0) await store.transaction(async (tx) => void (await Promise.all(old.map((step) => tx.buildSteps.remove(step.id)))))
  }

  note(step: BuildStep): void {
    if (step.number > MOST_STEPS) return
    const startedAt = this.#context.clock.now() - step.ms
    this.#last = this.#last.then(() => this.#write(step, startedAt)).catch(() => undefined)
  }

  /** All that was noted is written. */
  settle(): Promise<void> {
    return this.#last
  }

  async #write(step: BuildStep, startedAt: number): Promise<void> {
    const { id: buildId, projectId } = this.#build
    const id = `${buildId}/${step.number}`
    const isNew = !this.#begun.has(step.number)
    this.#begun.add(step.number)
    await this.#context.store.transaction(async (tx) => {
      if (isNew) await tx.buildSteps.insert({ ...step, id, projectId, buildId, startedAt })
      else await tx.buildSteps.set(id, { state: step.state, ms: step.ms, cached: step.cached })
    })
  }
}
