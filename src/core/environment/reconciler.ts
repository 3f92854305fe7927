import { durationText } from '../../lib/duration.ts'
import { messageOf, PlatformError, UnavailableError } from '../../lib/errors.ts'
import { failpoint } from '../../lib/failpoint.ts'
import type { Redactor } from '../../lib/sensitive.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Context } from '../context.ts'
import { isDeploymentFinished } from '../deployment/deployment.ts'
import { standStill } from '../deployment/pause.ts'
import { plan as planWorld, repairs } from '../deployment/plan.ts'
import { beginNext, block, finish, giveUp, pausable, revert, supersedable, supersedeActive } from '../deployment/steer.ts'
import type { Batch, Step, StepKind } from '../deployment/step.ts'
import type { World } from '../deployment/world.ts'
import type { ProbeTarget } from '../instance/ask.ts'
import type { Prober } from '../instance/probe.ts'
import { advanceOneOffs } from '../one-off/advance.ts'
import type { RouteReconciler } from '../route/reconciler.ts'
import { Redactors } from '../secret/redactors.ts'
import type { ActionInput, Outcome } from './action.ts'
import { remove, start, stop, update } from './actions.ts'
import { check, releaseCommand } from './before.ts'
import { Budgets } from './budget.ts'
import { LOOK_AGAIN_MS } from './environment.ts'
import { endHold, hold } from './hold.ts'
import { conclude, journalKey, settle } from './journal.ts'
import { LONGEST_OUTAGE_MS, longestWaitMs, Progress } from './progress.ts'
import { type Senses, type Snapshot, takeSnapshot, worldOf } from './snapshot.ts'
import { shiftTraffic, soak } from './soak.ts'
import { forgetGone, keepTidy } from './tidy.ts'
import { resumeTraffic, stopTraffic, switchArms } from './traffic.ts'
import { watchOver } from './watch.ts'

const ACTIONS: Readonly<Record<StepKind, (input: ActionInput) => Promise<Outcome>>> = {
  check,
  'release-command': releaseCommand,
  hold,
  update,
  start,
  'resume-traffic': resumeTraffic,
  'shift-traffic': shiftTraffic,
  soak,
  switch: switchArms,
  'stop-traffic': stopTraffic,
  stop,
  remove,
  'end-hold': endHold,
}

/** A plan that has made no progress for so long is not tried again without a pause. */
const STUCK_MS = 5_000
const STUCK_PAUSE_MS = 1_000
/** Longer than the pause between two tries and the deadline of one. */
const MOST_BETWEEN_TRIES_MS = 45_000

interface Needs {
  readonly prober: Pick<Prober, 'watch' | 'result'>
  readonly routes: Pick<RouteReconciler, 'confirmed' | 'trouble'>
  /** Takes away what a removed app leaves beside its environments; false: not yet. */
  readonly forgetApp: (app: App) => Promise<boolean>
}

/**
 * Brings an environment to its wish, one pass at a time: read, observe, plan, take the first step of each lane of the first
 * batch, come back. The only caller of runtime verbs, with or without a deployment.
 */
export class EnvironmentReconciler {
  readonly #context: Context
  readonly #needs: Needs
  readonly #budgets: Budgets
  readonly #redactors: Redactors
  /** How long environments have waited for what is away: in memory only, a server that starts anew waits anew. */
  readonly #outages: Budgets
  readonly #progress: Progress

  constructor(context: Context, needs: Needs) {
    this.#context = context
    this.#needs = needs
    this.#budgets = new Budgets(context)
    this.#redactors = new Redactors(context)
    this.#outages = new Budgets(context, MOST_BETWEEN_TRIES_MS)
    this.#progress = new Progress(context)
  }

  async pass(environmentId: string): Promise<PassResult> {
    try {
      const result = await this.#pass(environmentId)
      this.#outages.forget(environmentId)
      return result
    } catch (error) {
      if (error instanceof UnavailableError) await this.#wait(environmentId, error)
      throw error
    }
  }

  /** What is away is waited for, and says so; but not for ever. */
  async #wait(environmentId: string, error: UnavailableError): Promise<void> {
    if (error.code.startsWith('store.')) return
    if (this.#outages.use(environmentId, 0) < LONGEST_OUTAGE_MS) return block(this.#context, environmentId, `waits: ${error.message}`)
    await giveUp(this.#context, environmentId, `gave up after ${durationText(LONGEST_OUTAGE_MS)}: ${error.message}`)
  }

  async #pass(environmentId: string): Promise<PassResult> {
    const snapshot = await takeSnapshot(this.#context, environmentId)
    if (!snapshot) return {}
    // Before the edge has said what it serves, nothing is known of what gets requests, and nothing is touched.
    if (this.#needs.routes.confirmed === 0)
      throw new UnavailableError(
        'edge.not_confirmed',
        `the edge has not confirmed its routes yet${this.#needs.routes.trouble ? `: ${this.#needs.routes.trouble}` : ''}`,
      )
    if (snapshot.active === null && snapshot.queued.length > 0) return beginNext(this.#context, snapshot)
    this.#needs.prober.watch(environmentId, await this.#targets(snapshot))
    const senses = await this.#senses(snapshot)
    const world = worldOf(snapshot, senses)
    const plan = planWorld(world)
    const open = await settle(this.#context, snapshot, plan)
    const oneOffs = await advanceOneOffs(this.#context, snapshot)
    const active = snapshot.active
    if (active?.cancelRequested && snapshot.direction === 'forward')
      return revert(this.#context, snapshot, { cause: 'requested', message: 'cancelled: going back to what was there', failed: null })
    if (supersedable(snapshot, plan)) return supersedeActive(this.#context, snapshot)
    if (active !== null && pausable(snapshot, plan, open)) {
      await standStill(this.#context, active, { cause: 'requested', message: 'paused' })
      return { afterMs: 0 }
    }
    // A paused deployment is repaired but takes no new steps: it ends when a person or a newer deployment ends it.
    const watched = active === null ? await this.#watch(snapshot, senses, world) : {}
    if (watched.afterMs === 0) return watched
    const soon = soonest(watched, oneOffs)
    const first = active?.status === 'paused' ? repairs(world) : plan.batches[0]
    const idleMs = this.#progress.idleMs(snapshot, plan)
    if (active !== null && active.status !== 'paused' && idleMs > longestWaitMs(snapshot, first)) return this.#giveUpStuck(snapshot, idleMs)
    if (first) return soonest(await this.#take(snapshot, { senses, batch: first, idleMs }), soon)
    if (active?.status === 'paused') return soonest({ afterMs: LOOK_AGAIN_MS }, soon)
    if (senses.confirmedGeneration < snapshot.environment.routeGeneration) return { afterMs: 1_000 }
    if (active !== null && !isDeploymentFinished(active)) return finish(this.#context, snapshot)
    await keepTidy(this.#context, snapshot, senses)
    if (snapshot.environment.removedAt !== null) return forgetGone(this.#context, snapshot, this.#needs.forgetApp)
    return soonest({ afterMs: LOOK_AGAIN_MS }, soon)
  }

  /** Also while instances are being repaired: crashes in the window are the watched release's. */
  async #watch(snapshot: Snapshot, senses: Senses, world: World): Promise<PassResult> {
    const { watch, removedAt } = snapshot.environment
    if (watch === null || removedAt !== null || !snapshot.wish.running) return {}
    const set = snapshot.instances.filter((instance) => instance.set === snapshot.wish.set)
    const instances = set.map((instance) => {
      const view = world.instances.find((one) => one.set === instance.set && one.ordinal === instance.ordinal)
      return { instance, observed: snapshot.observed.get(instance.name), probe: senses.probe(instance.name), isReady: view?.ready === true }
    })
    const unready = `unready/${watch.deploymentId}`
    const areReady = instances.every(({ isReady }) => isReady)
    if (areReady) this.#budgets.forget(unready)
    const unreadyMs = areReady ? 0 : this.#budgets.use(unready, 0)
    return watchOver(this.#context, snapshot, { usedMs: this.#budgets.use(`watch/${watch.deploymentId}`, watch.usedMs), instances, unreadyMs })
  }

  /** The first step of each lane, side by side. */
  async #take(snapshot: Snapshot, now: { readonly senses: Senses; readonly batch: Batch; readonly idleMs: number }): Promise<PassResult> {
    const steps = now.batch.lanes.flatMap((lane) => lane.slice(0, 1))
    const results = await Promise.all(steps.map((step) => this.#advance(snapshot, step, now.senses)))
    const failed = results.find((result) => result.outcome.kind === 'failed')
    if (failed?.outcome.kind === 'failed') return this.#failed(snapshot, { step: failed.step, outcome: failed.outcome })
    const asked = results.flatMap((result) => (result.outcome.kind === 'asks' ? [result.outcome] : []))[0]
    if (asked && snapshot.active) {
      await standStill(this.#context, snapshot.active, { cause: 'inconclusive', message: asked.message })
      return { afterMs: 0 }
    }
    const waits = results.flatMap((result) => (result.outcome.kind === 'waiting' ? [result.outcome] : []))
    const trouble = this.#needs.routes.trouble
    await block(
      this.#context,
      snapshot.environment.id,
      waits[0] ? `waits for ${waits[0].for}${trouble && waits[0].for.includes('edge') ? ` (${trouble})` : ''}` : null,
    )
    // Steps that pass and are planned again do so because the engine or the edge says one thing and does another.
    if (waits.length < results.length) return { afterMs: now.idleMs > STUCK_MS ? STUCK_PAUSE_MS : 0 }
    return { afterMs: Math.min(...waits.map((wait) => wait.afterMs ?? LOOK_AGAIN_MS)) }
  }

  async #advance(snapshot: Snapshot, step: Step, senses: Senses): Promise<{ readonly step: Step; readonly outcome: Outcome }> {
    const key = journalKey(snapshot, step)
    const open = snapshot.openSteps.find((record) => record.key === key)
    const budgetMs = this.#budgets.use(key, open?.budgetUsedMs ?? 0)
    const input: ActionInput = { context: this.#context, snapshot, senses, step, budgetMs }
    const outcome = await ACTIONS[step.kind](input).catch((error: unknown): Outcome => {
      if (error instanceof UnavailableError || !(error instanceof PlatformError) || error.code === 'store.stale') throw error
      return { kind: 'failed', cause: 'engine_refused', message: messageOf(error) }
    })
    failpoint(`${step.kind}.after-effect`)
    await this.#write(snapshot, { key, outcome, budgetMs })
    return { step, outcome }
  }

  /** The bound of last resort: forward it turns round, on the way back it ends, and the reconciler goes on with the wish that was there. */
  async #giveUpStuck(snapshot: Snapshot, idleMs: number): Promise<PassResult> {
    const waits = snapshot.openSteps.flatMap(({ kind, waiting }) => (waiting === null ? [] : [`${kind} waited for ${waiting}`]))
    const message = `gave up after ${durationText(idleMs)} without progress: ${waits.join('; ') || (snapshot.active?.blocked ?? 'its steps were done and had no effect')}`
    if (snapshot.direction === 'forward') return revert(this.#context, snapshot, { cause: 'unavailable', message, failed: null })
    return finish(this.#context, snapshot, `going back is not complete either: ${message}; Lockgate goes on trying`)
  }

  /** The result of a step that passed or failed; of a waiting one what it waits for. */
  async #write(snapshot: Snapshot, told: { readonly key: string; readonly outcome: Outcome; readonly budgetMs: number }): Promise<void> {
    const { outcome, key, budgetMs } = told
    const { store, clock } = this.#context
    const open = (await store.read.steps.list(EVERYTHING, { where: { environmentId: snapshot.environment.id, status: 'intended', key }, limit: 1 }))[0]
    if (!open) return
    if (outcome.kind === 'waiting' || outcome.kind === 'asks') {
      const waiting = outcome.kind === 'waiting' ? outcome.for : 'an answer'
      const numbers = { ...open.numbers, ...outcome.numbers }
      if (open.waiting === waiting && budgetMs - open.budgetUsedMs < 1_000 && JSON.stringify(numbers) === JSON.stringify(open.numbers)) return
      await store.transaction((tx) => tx.steps.set(open.id, { waiting, numbers, budgetUsedMs: Math.round(budgetMs) }))
      return
    }
    this.#budgets.forget(key)
    const { numbers } = outcome
    failpoint(`${open.kind}.before-result`)
    await store.transaction((tx) =>
      conclude(tx, open, { status: outcome.kind === 'passed' ? 'done' : 'failed', now: clock.now(), ...(numbers ? { numbers } : {}) }),
    )
    failpoint(`${open.kind}.after-result`)
  }

  async #failed(snapshot: Snapshot, failure: { readonly step: Step; readonly outcome: Extract<Outcome, { kind: 'failed' }> }): Promise<PassResult> {
    if (snapshot.direction === 'forward') return revert(this.#context, snapshot, { ...failure.outcome, failed: failure.step, probe: this.#needs.prober })
    if (snapshot.direction === 'back')
      return finish(this.#context, snapshot, `going back is not complete either: ${failure.outcome.message}; Lockgate goes on trying`)
    this.#context.log.warn('keeping the wish met a failure', {
      environment: snapshot.environment.id,
      cause: failure.outcome.cause,
      message: failure.outcome.message,
    })
    return { afterMs: 500 }
  }

  async #senses(snapshot: Snapshot): Promise<Senses> {
    const out = snapshot.instances.filter((instance) => instance.traffic === 'out').map((instance) => instance.name)
    // Not knowing is not zero: when the edge cannot be asked nothing is stopped.
    const inFlight = out.length === 0 ? new Map<string, number>() : await this.#context.edge.inFlight(out).catch(() => new Map<string, number>())
    return { probe: (name) => this.#needs.prober.result(name), confirmedGeneration: this.#needs.routes.confirmed, inFlight }
  }

  async #targets(snapshot: Snapshot): Promise<ProbeTarget[]> {
    const domains = await this.#context.store.read.domains.list(EVERYTHING, {
      where: { environmentId: snapshot.environment.id },
      orderBy: 'createdAt',
    })
    // An app that answers only to its own names has them added; the generated one is for the others.
    const name = domains.find(({ kind }) => kind === 'own') ?? domains[0]
    const host = name?.host.replace(/^\*\./, 'www.') ?? 'localhost'
    const redactors = new Map<string, Redactor>()
    for (const release of snapshot.releases.values()) redactors.set(release.id, await this.#redactors.of(release))
    return snapshot.instances.flatMap((instance): ProbeTarget[] => {
      const observed = snapshot.observed.get(instance.name)
      const release = snapshot.releases.get(instance.releaseId)
      if (!release || observed?.state !== 'running') return []
      const address = observed.address ?? instance.address
      return [
        {
          redact: (text) => redactors.get(release.id)?.redact(text) ?? '',
          name: instance.name,
          environmentId: snapshot.environment.id,
          address,
          port: instance.port,
          protocol: release.runSpec.protocol,
          health: release.runSpec.health,
          host: release.runSpec.health.host ?? host,
          proven: instance.proven,
          startedAt: observed.startedAt,
        },
      ]
    })
  }
}

function soonest(a: PassResult, b: PassResult): PassResult {
  const times = [a.afterMs, b.afterMs].filter((ms) => ms !== undefined)
  return times.length === 0 ? {} : { afterMs: Math.min(...times) }
}
