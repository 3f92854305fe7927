// The steps that make, start, stop and remove instances. Each is idempotent: intent first, then the effect, then a look at the world.

import { backoffMs } from '../../lib/backoff.ts'
import { codeOf } from '../../lib/errors.ts'
import { failpoint } from '../../lib/failpoint.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { freeAddress, rangeOf, subnetOf } from '../instance/address.ts'
import { type Instance, labelOf, type ObservedInstance } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'
import { variablesOf } from '../secret/variables.ts'
import { type ActionInput, intent, locate, type Outcome, route } from './action.ts'
import { count } from './count.ts'
import { instanceName } from './journal.ts'
import { numbersOf } from './soak.ts'
import { moveSubnet } from './subnet.ts'

/** update: the record with an address of its own, then the container, not started. */
export async function update(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step, senses } = input
  const name = instanceName(snapshot, context.store.installation, step)
  const existing = snapshot.instances.find((instance) => instance.name === name)
  const release = existing ? snapshot.releases.get(existing.releaseId) : snapshot.release
  if (!release) return { kind: 'passed' }
  const wait = existing ? tooEarly(context, existing) : null
  if (wait) return wait
  const taken = { confirmedGeneration: senses.confirmedGeneration, foreign: existing ? [] : await takenOf(input) }
  const record = await intent(input, async (tx) => {
    if (!existing) await addInstance(tx, input, { name, release, taken })
  })
  const instance = existing ?? (await context.store.read.instances.get(EVERYTHING, name))
  try {
    await context.runtime.ensure(await specOf(input, instance, { release, key: record.key, keepAlive: false }))
  } catch (error) {
    if (codeOf(error) !== 'runtime.subnet_taken' || !(await moveSubnet(context, snapshot))) throw error
    return { kind: 'waiting', for: 'addresses nobody else has', afterMs: 0 }
  }
  return { kind: 'passed' }
}

async function addInstance(
  tx: Tx,
  input: ActionInput,
  made: { readonly name: string; readonly release: Release; readonly taken: Parameters<typeof freeAddress>[2] },
): Promise<void> {
  const { context, snapshot, step } = input
  const { environment } = snapshot
  const known = await tx.instances.list(EVERYTHING, { where: { environmentId: environment.id } })
  // The record of an earlier instance of this name goes, also that of a removed app of the same name.
  await tx.instances.remove(made.name)
  await tx.instances.insert({
    name: made.name,
    projectId: environment.projectId,
    environmentId: environment.id,
    releaseId: made.release.id,
    set: step.set,
    ordinal: step.ordinal,
    address: freeAddress(rangeOf(environment, context.settings.instanceRange), known, made.taken),
    port: made.release.runSpec.port,
    arm: step.arm ?? environment.liveArm,
    traffic: 'none',
    proven: false,
    crashes: 0,
    retryAt: 0,
    restartsForgiven: 0,
    fault: null,
    counted: null,
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
    reference: artifact.reference,
    command: release.runSpec.command,
    env: {
      ...(await variablesOf(context, release)),
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

/** How much longer than its deadline an instance may take while no probe has come through at all. */
const UNASKED_MS = 10_000

/** start: start it, and wait until our probes find it ready, within the start deadline. */
export async function start(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, senses, step, budgetMs } = input
  const found = locate(input)
  if (!found) return { kind: 'waiting', for: 'its container to be there', afterMs: 100 }
  const { instance, observed, release } = found
  const record = await intent(input)
  const probe = senses.probe(instance.name)
  if (observed.state === 'created' || observed.state === 'exited') {
    // Both are the engine's time: its clock and ours may differ.
    const before = record.numbers.startedBefore
    const startedHere = before !== undefined && observed.startedAt !== null && observed.startedAt !== before
    if (observed.state === 'exited' && startedHere) return exited(input, { instance, observed })
    const wait = tooEarly(context, instance)
    if (wait) return wait
    if ((await takenOf(input)).includes(instance.address)) return moveAddress(input, instance)
    try {
      await context.runtime.start(instance.name)
    } catch (error) {
      if (codeOf(error) !== 'runtime.address_taken') throw error
      return moveAddress(input, instance)
    }
    return {
      kind: 'waiting',
      for: `its first answer (${release.runSpec.health.startDeadlineMs / 1000} s at most)`,
      numbers: { startedBefore: observed.startedAt ?? 0 },
      afterMs: 50,
    }
  }
  if (observed.state === 'running' && probe.state === 'ready') return { kind: 'passed', numbers: { probe: probe.lastAnswer ?? '' } }
  // On a machine so busy that nobody has asked it yet, it is asked first: what it answered belongs into the report.
  const patienceMs = probe.lastAnswer === null ? UNASKED_MS : 0
  if (budgetMs >= release.runSpec.health.startDeadlineMs + patienceMs) return startDeadline(input, instance)
  const seconds = Math.round(budgetMs / 1000)
  const state = observed.state === 'restarting' ? 'the engine to start it again after a crash' : `a good answer (${probe.lastAnswer ?? 'not asked yet'})`
  return {
    kind: 'waiting',
    for: `${state}, ${seconds} s of ${release.runSpec.health.startDeadlineMs / 1000} s`,
    afterMs: snapshot.direction === 'keep' && step.kind === 'start' ? 500 : 250,
  }
}

/** Addresses that no instance of the records has, and that are taken all the same: by something foreign, or by an instance that the records have lost. */
function takenOf({ context, snapshot }: ActionInput): Promise<readonly string[]> {
  return context.runtime.takenAddresses(subnetOf(snapshot.environment, context.settings.instanceRange), new Set(snapshot.instances.map(({ name }) => name)))
}

/** Something else has the address of an instance that does not run: it gets another, and its container is made anew. */
async function moveAddress(input: ActionInput, instance: Instance): Promise<Outcome> {
  const { context, snapshot, senses } = input
  const foreign = [...(await takenOf(input)), instance.address]
  const address = await context.store.transaction(async (tx) => {
    const known = await tx.instances.list(EVERYTHING, { where: { environmentId: snapshot.environment.id } })
    const taken = { confirmedGeneration: senses.confirmedGeneration, foreign }
    const moved = freeAddress(rangeOf(snapshot.environment, context.settings.instanceRange), known, taken)
    await tx.instances.save(instance, { ...instance, address: moved, traffic: 'none' })
    await route(tx, snapshot)
    return moved
  })
  context.log.warn('the address of an instance is taken; it gets another', { instance: instance.name, taken: instance.address, address })
  await context.runtime.remove(instance.name)
  return { kind: 'waiting', for: `another address than ${instance.address}, which something else has`, afterMs: 0 }
}

async function exited(input: ActionInput, found: { readonly instance: Instance; readonly observed: ObservedInstance }): Promise<Outcome> {
  const { instance, observed } = found
  const how = observed.oomKilled ? 'was killed because it used more memory than its limit' : `ended with exit code ${observed.exitCode ?? '?'}`
  await noteCrash(input, instance, observed.oomKilled ? 'out of memory' : `exit code ${observed.exitCode ?? '?'}`)
  return { kind: 'failed', cause: observed.oomKilled ? 'out_of_memory' : 'instance_exited', message: `${labelOf(instance)} ${how} before it was ready` }
}

async function startDeadline(input: ActionInput, instance: Instance): Promise<Outcome> {
  const deadline = (input.snapshot.releases.get(instance.releaseId)?.runSpec.health.startDeadlineMs ?? 0) / 1000
  const answer = input.senses.probe(instance.name).lastAnswer ?? 'no answer'
  await noteCrash(input, instance, `not ready within ${deadline} s`)
  return {
    kind: 'failed',
    cause: 'start_deadline',
    message: `${labelOf(instance)} was not ready within ${deadline} s: ${answer}. An app that needs longer says so with health.start_deadline in lockgate.yaml`,
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

/** stop: signal, grace, kill. */
export async function stop(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step } = input
  const name = instanceName(snapshot, context.store.installation, step)
  await intent(input)
  // The edge still names it: how it answered is what its successor is compared with.
  const own = snapshot.instances.filter((instance) => instance.name === name)
  const counted = await count(context, own).catch(() => own)
  await context.runtime.stop(name)
  const seen = (await context.runtime.observe(snapshot.environment.id)).find((one) => one.name === name)
  const exit = seen === undefined || seen.exitCode === null ? {} : { exitCode: seen.exitCode }
  return { kind: 'passed', numbers: { ...exit, ...(counted[0]?.counted ? numbersOf(counted[0].counted.sample) : {}) } }
}

/** remove: the container, then its record; a wanted ordinal keeps its record, and so its address. */
export async function remove(input: ActionInput): Promise<Outcome> {
  const { context, snapshot, step } = input
  const name = instanceName(snapshot, context.store.installation, step)
  await intent(input)
  const observed = snapshot.observed.get(name)
  if (observed) await context.logs.finished(observed)
  await context.runtime.remove(name)
  failpoint('remove.container-gone')
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
