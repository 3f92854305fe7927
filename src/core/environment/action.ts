// What every step of the ordered flow is given, says, and begins with.
import { failpoint, failpointWithin } from '../../lib/failpoint.ts'
import type { Tx } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { DeploymentCause } from '../deployment/deployment.ts'
import type { Step, StepNumbers, StepRecord } from '../deployment/step.ts'
import type { Instance, ObservedInstance } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'
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
  failpoint(`${step.kind}.before-intent`)
  const record = await context.store.transaction(async (tx) => {
    await also?.(tx)
    return intend(tx, { snapshot, step, instance, now: context.clock.now() })
  })
  failpoint(`${step.kind}.after-intent`)
  failpointWithin(`${step.kind}.during-effect`)
  return record
}

/** Marks that the routing of this environment changed. */
export async function route(tx: Tx, snapshot: Snapshot): Promise<number> {
  const generation = await tx.nextEdgeGeneration()
  const current = await tx.environments.get(EVERYTHING, snapshot.environment.id)
  await tx.environments.save(current, { ...current, routeGeneration: generation })
  return generation
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
