// What every step of the ordered flow is given, says, and begins with.
import { failpoint, failpointWithin } from '../../lib/failpoint.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { DeploymentCause } from '../deployment/deployment.ts'
import type { Step, StepNumbers, StepRecord } from '../deployment/step.ts'
import type { Instance, ObservedInstance } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'
import type { Environment } from './environment.ts'
import { instanceName, intend, journalKey } from './journal.ts'
import type { Senses, Snapshot } from './snapshot.ts'

/** How a step stands after one look: passed, still waiting (for what), failed (the deployment goes back), or asked of a person. */
export type Outcome =
  | { readonly kind: 'passed'; readonly numbers?: StepNumbers }
  | { readonly kind: 'waiting'; readonly for: string; readonly numbers?: StepNumbers; readonly afterMs?: number }
  | { readonly kind: 'failed'; readonly cause: DeploymentCause; readonly message: string; readonly numbers?: StepNumbers }
  /** Only a person can say whether it passes: the deployment stands still until then. */
  | { readonly kind: 'asks'; readonly message: string; readonly numbers: StepNumbers }

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
  failpoint(`${step.kind}.before-intent`)
  const record = await context.store.transaction(async (tx) => {
    await also?.(tx)
    return intend(tx, { snapshot, step, instance, now: context.clock.now() })
  })
  failpoint(`${step.kind}.after-intent`)
  failpointWithin(`${step.kind}.during-effect`)
  return record
}

/** Marks that the routing of this environment changed, with what changes in the environment itself. */
export async function route(tx: Tx, snapshot: Snapshot, change: Partial<Pick<Environment, 'liveArm' | 'share' | 'hold'>> = {}): Promise<number> {
  const generation = await tx.nextEdgeGeneration()
  const current = await tx.environments.get(EVERYTHING, snapshot.environment.id)
  await tx.environments.save(current, { ...current, ...change, routeGeneration: generation })
  return generation
}

/** Passes when the edge has confirmed what the environment wants routed. */
export function confirmed(input: ActionInput, numbers: StepNumbers = {}): Outcome {
  const generation = input.snapshot.environment.routeGeneration
  if (input.senses.confirmedGeneration >= generation) return { kind: 'passed', numbers: { ...numbers, generation } }
  return toConfirm(numbers)
}

/** Waits for that. */
export function toConfirm(numbers: StepNumbers = {}): Outcome {
  return { kind: 'waiting', for: 'the edge to confirm', numbers, afterMs: 1_000 }
}

export interface Located {
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
export function locate(input: ActionInput, absentToo = false): Located | null {
  const { snapshot, step, context } = input
  const name = instanceName(snapshot, context.store.installation, step)
  const instance = snapshot.instances.find((one) => one.name === name)
  const release = instance && snapshot.releases.get(instance.releaseId)
  const observed = snapshot.observed.get(name) ?? (absentToo ? { ...NOT_THERE, name, environmentId: snapshot.environment.id } : undefined)
  return instance && release && observed ? { instance, release, observed } : null
}
