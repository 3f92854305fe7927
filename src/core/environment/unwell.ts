// Whether a release that went live shows by its instances that it is not well: crashes, a memory kill, or no answer to our probes. Pure.
import { durationText } from '../../lib/duration.ts'
import { type Instance, labelOf, type ObservedInstance, type ProbeResult } from '../instance/instance.ts'
import type { Release } from '../release/release.ts'

/** A single crash may have another cause than the release; a second one in the window does not. */
const CRASHES = 2
/** So long instances that have been ready may be unready: all of them, or some. */
const NONE_READY_MS = 2_000
const SOME_UNREADY_MS = 10_000

export interface WatchedInstance {
  readonly instance: Instance
  /** undefined: its container is gone. */
  readonly observed: ObservedInstance | undefined
  readonly probe: ProbeResult
  readonly isReady: boolean
}

export interface WatchedSet {
  readonly release: Release
  readonly instances: readonly WatchedInstance[]
  /** How long at least one of them has been unready without a pause. */
  readonly unreadyMs: number
}

/** What is wrong with a set under observation, for people; null: nothing. */
export function findUnwell({ release, instances, unreadyMs }: WatchedSet): string | null {
  for (const { instance, observed } of instances) {
    if (observed?.oomKilled) return `${labelOf(instance)} was killed because it used more memory than its limit (${release.runSpec.limits.memoryMb} MB)`
    const crashes = Math.max(instance.crashes, (observed?.restarts ?? 0) - instance.restartsForgiven)
    if (crashes >= CRASHES) return `${labelOf(instance)} crashed ${crashes} times${codeText(observed)}`
  }
  const unready = instances.filter(({ isReady }) => !isReady)
  const [first] = unready
  if (!first) return null
  const isNone = unready.length === instances.length
  // One that was ready and does not answer any more hangs. One that starts again has its start deadline.
  const hangs = unready.find(({ observed, probe }) => observed?.state === 'running' && probe.wasReady)
  const boundMs = hangs ? (isNone ? NONE_READY_MS : SOME_UNREADY_MS) : release.runSpec.health.startDeadlineMs
  if (unreadyMs < boundMs) return null
  const one = hangs ?? first
  return `${labelOf(one.instance)} does not answer health checks any more (${one.probe.lastAnswer ?? 'not asked'}), for ${durationText(unreadyMs)}${isNone ? '; no instance does' : ''}`
}

function codeText(observed: ObservedInstance | undefined): string {
  return observed?.exitCode === null || observed === undefined ? '' : ` (exit code ${observed.exitCode})`
}
