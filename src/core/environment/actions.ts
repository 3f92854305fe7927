// The effects of the ordered flow, one function a step. Each is idempotent: intent first, then the effect, then a look at the world.

import { backoffMs } from '../../lib/backoff.ts'
import { failpoint } from '../../lib/failpoint.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { DeploymentCause } from '../deployment/deployment.ts'
import type { Step, StepNumbers, StepRecord } from '../deployment/step.ts'
import { freeAddress, rangeOf, subnetOf } from '../instance/address.ts'
import type { Instance, ObservedInstance } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'
import { environmentOf } from '../secret/environment.ts'
import { instanceName, intend, journalKey } from './journal.ts'
import type { Senses, Snapshot } from './snapshot.ts'

/** How a step stands after one look: passed, still waiting (for what), or failed (the deployment goes back). */
export type Outcome =
  | { readonly kind: 'passed'; readonly numbers?: StepNumbers }
  | { readonly kind: 'waiting'; readonly for: string; readonly numbers?: StepNumbers; readonly afterMs?: number }
  | { readonly kind: 'failed'; readonly cause: DeploymentCause; readonly message: string }

export interface ActionInput {
  readonly context: Context
  readonly snapshot: Snapshot
  readonly senses: Senses
  readonly step: Step
  /** Milliseconds of its deadline this step has used. */
  readonly budgetMs: number
}

/** The record of the intent, written now when there is none; `also` changes the wish in the same transaction. */
export async function intent(input: ActionInput, also?: (tx: Tx) => Promise<void>): Promise<StepRecord> {
  const { context, snapshot, step } = input
  const open = snapshot.openSteps.find((record) => record.key === journalKey(snapshot, step))
  if (open) {
    // The wish may have been changed by another step since this one began: it is written again, the intent is not.
    if (also) await context.store.transaction(also)
    return open
  }
  const instance = step.ordinal < 0 ? null : instanceName(snapshot, context.store.installation, step)
  const record = await context.store.transaction(async (tx) => {
    await also?.(tx)
    return intend(tx, { snapshot, step, instance, now: context.clock.now() })
  })
  failpoint(`${step.kind}.after-intent`)
  return record
}

/** update: the record with an address of its own, then the container, not started. */
export async function update(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step, senses } = input
  const release = snapshot.release
  if (!release) return { kind: 'passed' }
  const name = instanceName(snapshot, context.store.installation, step)
  const existing = snapshot.instances.find((instance) => instance.name === name)
  const wait = existing ? tooEarly(context, existing) : null
  if (wait) return wait
  const record = await intent(input, async (tx) => {
    if (!existing) await addInstance(tx, input, { name, release, confirmedGeneration: senses.confirmedGeneration })
  })
  const instance = existing ?? (await context.store.read.instances.get(EVERYTHING, name))
  await context.runtime.ensure(await specOf(input, instance, { release, key: record.key, keepAlive: false }))
  return { kind: 'passed' }
}

async function addInstance(
  tx: Tx,
  input: ActionInput,
  made: { readonly name: string; readonly release: Release; readonly confirmedGeneration: number },
): Promise<void> {
  const { context, snapshot, step } = input
  const { environment } = snapshot
  const known = await tx.instances.list(EVERYTHING, { where: { environmentId: environment.id } })
  // The record of an earlier instance of this name goes; its address waits its turn like any other.
  if (known.some((instance) => instance.name === made.name)) await tx.instances.remove(made.name)
  await tx.instances.insert({
    name: made.name,
    projectId: environment.projectId,
    environmentId: environment.id,
    releaseId: made.release.id,
    set: step.set,
    ordinal: step.ordinal,
    address: freeAddress(rangeOf(environment, context.settings.instanceRange), known, made.confirmedGeneration),
    port: made.release.runSpec.port,
    arm: step.arm ?? environment.liveArm,
    traffic: 'none',
    proven: false,
    crashes: 0,
    retryAt: 0,
    fault: null,
    createdAt: context.clock.now(),
    removedAt: null,
    removedGeneration: 0,
    version: 1,
  })
}

/** The engine's order for an instance. */
export async function specOf(
  input: Pick<ActionInput, 'context' | 'snapshot'>,
  instance: Instance,
  made: { readonly release: Release; readonly key: string; readonly keepAlive: boolean },
) {
  const { context, snapshot } = input
  const { release } = made
  const artifact = await context.store.read.artifacts.get(EVERYTHING, release.artifactId)
  return {
    name: instance.name,
    kind: 'instance' as const,
    projectId: instance.projectId,
    environmentId: instance.environmentId,
    set: instance.set,
    ordinal: instance.ordinal,
    key: made.key,
    digest: artifact.digest,
    command: release.runSpec.command,
    env: {
      ...(await environmentOf(context, release)),
      PORT: String(release.runSpec.port),
      LOCKGATE_APP: snapshot.app.name,
      LOCKGATE_ENVIRONMENT: snapshot.environment.name,
      LOCKGATE_RELEASE: `r${release.number}`,
    },
    address: instance.address,
    subnet: subnetOf(snapshot.environment, context.settings.instanceRange),
    limits: release.runSpec.limits,
    stopSignal: release.runSpec.stopSignal,
    stopGraceMs: release.runSpec.stopGraceMs,
    keepAlive: made.keepAlive,
  }
}

/** start: start it, and wait until our probes find it ready, within the start deadline. */
export async function start(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, senses, step, budgetMs } = input
  const found = locate(input)
  if (!found) return { kind: 'waiting', for: 'its container to be there', afterMs: 100 }
  const { instance, observed, release } = found
  const record = await intent(input)
  const probe = senses.probe(instance.name)
  if (observed.state === 'created' || observed.state === 'exited') {
    const startedHere = observed.startedAt !== null && observed.startedAt >= record.startedAt
    if (observed.state === 'exited' && startedHere) return exited(input, { instance, observed })
    const wait = tooEarly(context, instance)
    if (wait) return wait
    await context.runtime.start(instance.name)
    return { kind: 'waiting', for: `its first answer (${release.runSpec.health.startDeadlineMs / 1000} s at most)`, afterMs: 50 }
  }
  if (observed.state === 'running' && probe.state === 'ready') return { kind: 'passed', numbers: { probe: probe.lastAnswer ?? '' } }
  if (budgetMs >= release.runSpec.health.startDeadlineMs) return startDeadline(input, instance)
  const seconds = Math.round(budgetMs / 1000)
  const state = observed.state === 'restarting' ? 'the engine to start it again after a crash' : `a good answer (${probe.lastAnswer ?? 'not asked yet'})`
  return {
    kind: 'waiting',
    for: `${state}, ${seconds} s of ${release.runSpec.health.startDeadlineMs / 1000} s`,
    afterMs: snapshot.direction === 'keep' && step.kind === 'start' ? 500 : 250,
  }
}

async function exited(input: ActionInput, found: { readonly instance: Instance; readonly observed: ObservedInstance }): Promise<Outcome> {
  const { instance, observed } = found
  const how = observed.oomKilled ? 'was killed because it used more memory than its limit' : `ended with exit code ${observed.exitCode ?? '?'}`
  await noteCrash(input, instance, observed.oomKilled ? 'out of memory' : `exit code ${observed.exitCode ?? '?'}`)
  return { kind: 'failed', cause: observed.oomKilled ? 'out_of_memory' : 'instance_exited', message: `${instance.name} ${how} before it was ready` }
}

async function startDeadline(input: ActionInput, instance: Instance): Promise<Outcome> {
  const deadline = (input.snapshot.releases.get(instance.releaseId)?.runSpec.health.startDeadlineMs ?? 0) / 1000
  const answer = input.senses.probe(instance.name).lastAnswer ?? 'no answer'
  await noteCrash(input, instance, `not ready within ${deadline} s`)
  return {
    kind: 'failed',
    cause: 'start_deadline',
    message: `${instance.name} was not ready within ${deadline} s: ${answer}. An app that needs longer says so with health.start_deadline in lockgate.yaml`,
  }
}

/** One failure more in a row: in keeping the wish it is replaced in place, after a pause that doubles. */
async function noteCrash(input: ActionInput, instance: Instance, fault: string): Promise<void> {
  if (input.snapshot.direction === 'forward') return
  const now = input.context.clock.now()
  const crashes = instance.crashes + 1
  await input.context.store.transaction(async (tx) => {
    await tx.instances.save(instance, { ...instance, crashes, fault, retryAt: now + backoffMs(crashes, 1_000, 60_000) })
  })
}

function tooEarly(context: Context, instance: Instance): Outcome | null {
  // A clock that was set back must not make it wait longer than the longest pause.
  const ms = Math.min(instance.retryAt - context.clock.now(), 60_000)
  if (instance.crashes === 0 || ms <= 0) return null
  const name = instance.crashes >= 3 ? 'crash loop' : 'crashed'
  return { kind: 'waiting', for: `the next try in ${Math.ceil(ms / 1000)} s (${name}: ${instance.crashes} in a row)`, afterMs: Math.min(ms, 1_000) }
}

/** resume traffic: the edge names it ready in the live arm, and has confirmed that. */
export async function resumeTraffic(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step } = input
  const found = locate(input)
  if (!found) return { kind: 'waiting', for: 'its container to be there', afterMs: 100 }
  const { instance, release } = found
  const arm = step.arm ?? instance.arm
  if (instance.traffic !== 'in' || instance.arm !== arm) {
    await intent(input, async (tx) => {
      await tx.instances.save(instance, { ...instance, traffic: 'in', arm, proven: true })
      await route(tx, snapshot)
    })
    // From here on the engine brings it back by itself when it crashes, also while no server runs.
    if (!instance.proven) await context.runtime.ensure(await specOf(input, instance, { release, key: found.observed.key, keepAlive: true }))
    return { kind: 'waiting', for: 'the edge to confirm', afterMs: 1_000 }
  }
  return confirmed(input)
}

/** One switch moves the traffic of the environment to the other arm. */
export async function switchArms(input: ActionInput): Promise<Outcome> {
  const { snapshot, step } = input
  const { environment } = snapshot
  const arm = step.arm ?? environment.liveArm
  if (environment.liveArm !== arm) {
    await intent(input, async (tx) => {
      const current = await tx.environments.get(EVERYTHING, environment.id)
      await tx.environments.save(current, { ...current, liveArm: arm, routeGeneration: await tx.nextEdgeGeneration() })
    })
    return { kind: 'waiting', for: 'the edge to confirm', afterMs: 1_000 }
  }
  return confirmed(input)
}

function confirmed(input: ActionInput): Outcome {
  const generation = input.snapshot.environment.routeGeneration
  if (input.senses.confirmedGeneration >= generation) return { kind: 'passed', numbers: { generation } }
  return { kind: 'waiting', for: 'the edge to confirm', afterMs: 1_000 }
}

/** stop traffic: new requests go elsewhere, confirmed by the edge, and what was in flight has come to its end. */
export async function stopTraffic(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, senses, budgetMs } = input
  const found = locate(input, true)
  if (!found) return { kind: 'passed' }
  const { instance, release } = found
  if (instance.traffic === 'in') {
    await intent(input, async (tx) => {
      await tx.instances.save(instance, { ...instance, traffic: 'out' })
      await route(tx, snapshot)
    })
    return { kind: 'waiting', for: 'the edge to confirm', afterMs: 1_000 }
  }
  const record = await intent(input)
  if (senses.confirmedGeneration < snapshot.environment.routeGeneration) return { kind: 'waiting', for: 'the edge to confirm', afterMs: 1_000 }
  const inFlight = senses.inFlight.get(instance.name)
  if (inFlight === undefined) return { kind: 'waiting', for: 'the edge to say how many requests are in flight', afterMs: 250 }
  const numbers: StepNumbers = { inFlightAtStart: record.numbers.inFlightAtStart ?? inFlight, inFlight, generation: snapshot.environment.routeGeneration }
  if (inFlight === 0) return { kind: 'passed', numbers }
  const drain = release.runSpec.drain
  if (budgetMs < drain.deadlineMs || drain.atDeadline === 'wait') {
    const bound = drain.atDeadline === 'wait' ? 'as long as they take' : `${Math.round(budgetMs / 1000)} s of ${drain.deadlineMs / 1000} s`
    return { kind: 'waiting', for: `${inFlight} ${inFlight === 1 ? 'request' : 'requests'} in flight (${bound})`, numbers, afterMs: 50 }
  }
  if (drain.atDeadline === 'abort' && snapshot.direction === 'forward') {
    return {
      kind: 'failed',
      cause: 'drain_deadline',
      message: `${inFlight} requests to ${instance.name} were still in flight after ${drain.deadlineMs / 1000} s, and the app wants the deployment given up then (drain.at_deadline: abort)`,
    }
  }
  const cut = await context.edge.cut(instance.name)
  return { kind: 'waiting', for: 'the requests that were cut to be gone', numbers: { ...numbers, cut: (record.numbers.cut ?? 0) + cut }, afterMs: 50 }
}

/** stop: signal, grace, kill. */
export async function stop(input: ActionInput): Promise<Outcome> {
  const name = instanceName(input.snapshot, input.context.store.installation, input.step)
  await intent(input)
  await input.context.runtime.stop(name)
  const seen = (await input.context.runtime.observe(input.snapshot.environment.id)).find((one) => one.name === name)
  return { kind: 'passed', numbers: seen?.exitCode === null || seen === undefined ? {} : { exitCode: seen.exitCode } }
}

/** remove: the container, then its record; a wanted ordinal keeps its record, and so its address. */
export async function remove(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step } = input
  const name = instanceName(snapshot, context.store.installation, step)
  await intent(input)
  await context.logs.finished(name)
  await context.runtime.remove(name)
  const wanted = snapshot.release !== null && step.set === snapshot.wish.set && step.ordinal < snapshot.wish.count
  await context.store.transaction(async (tx) => {
    const instance = await tx.instances.find(EVERYTHING, name)
    if (!instance || instance.removedAt !== null) return
    const generation = await route(tx, snapshot)
    if (wanted) await tx.instances.save(instance, { ...instance, traffic: 'none', fault: null, proven: false })
    else await tx.instances.save(instance, { ...instance, traffic: 'none', removedAt: context.clock.now(), removedGeneration: generation })
  })
  return { kind: 'passed' }
}

/** Marks that the routing of this environment changed. */
async function route(tx: Tx, snapshot: Snapshot): Promise<number> {
  const generation = await tx.nextEdgeGeneration()
  const current = await tx.environments.get(EVERYTHING, snapshot.environment.id)
  await tx.environments.save(current, { ...current, routeGeneration: generation })
  return generation
}

interface Located {
  readonly instance: Instance
  readonly observed: ObservedInstance
  readonly release: Release
}

const NOT_THERE: Omit<ObservedInstance, 'name' | 'environmentId'> = {
  kind: 'instance',
  set: 0,
  ordinal: 0,
  key: '',
  state: 'exited',
  exitCode: null,
  oomKilled: false,
  restarts: 0,
  digest: '',
  address: null,
  startedAt: null,
}

/** The records of the instance a step is about; null when they are gone. `absentToo`: its container may be. */
function locate(input: ActionInput, absentToo = false): Located | null {
  const { snapshot, step, context } = input
  const name = instanceName(snapshot, context.store.installation, step)
  const instance = snapshot.instances.find((one) => one.name === name)
  const release = instance && snapshot.releases.get(instance.releaseId)
  const observed = snapshot.observed.get(name) ?? (absentToo ? { ...NOT_THERE, name, environmentId: snapshot.environment.id } : undefined)
  return instance && release && observed ? { instance, release, observed } : null
}
