// The steps of recreate that let requests wait in the edge while nothing runs.
import { type ActionInput, confirmed, intent, type Outcome, route, toConfirm } from './action.ts'

/** hold: from now on requests wait in the edge; it needs no server for that. */
export async function hold(input: ActionInput): Promise<Outcome> {
  const { active, environment } = input.snapshot
  if (active?.strategy.kind !== 'recreate') return { kind: 'passed' }
  if (environment.hold !== null) return confirmed(input)
  const wanted = { boundMs: active.strategy.holdMs, token: tokenOf(active.id) }
  await intent(input, async (tx) => void (await route(tx, input.snapshot, { hold: wanted })))
  return toConfirm()
}

/** end hold: those that wait are sent on. How many they were stands with the step. */
export async function endHold(input: ActionInput): Promise<Outcome> {
  const { context, snapshot } = input
  if (snapshot.environment.hold === null) return confirmed(input)
  const held = await context.edge.held(snapshot.environment.id).catch(() => null)
  await intent(input, async (tx) => void (await route(tx, snapshot, { hold: null })))
  return toConfirm(held === null ? {} : { held })
}

/** The name of a deployment in the edge's alphabet. */
export function tokenOf(deploymentId: string): string {
  return deploymentId.replaceAll('-', '_')
}
