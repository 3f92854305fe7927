import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { PlannedStep } from '../../../core/build/build-plan.ts'
import type { BoxEnd, VolumeUse } from '../../runtime/types.ts'
import type { BuildLimits } from '../types.ts'

// How shells, libc and Node say it; the engine does not tell.
const NO_MORE_PROCESSES = /Resource temporarily unavailable|\bEAGAIN\b|can(no|')t fork/i
const NO_MORE_SPACE = /no space left on device|\bENOSPC\b/i
/** A disk this full is why a program failed, whatever it said. */
const FULL = 0.985

/** What a build's output says about limits, noted while it passes by. */
export class Hints {
  isCrowded = false
  isFull = false

  line(text: string): void {
    if (NO_MORE_PROCESSES.test(text)) this.isCrowded = true
    if (NO_MORE_SPACE.test(text)) this.isFull = true
  }
}

/** What is known of a build that did not end well. */
export interface Ended {
  /** What was running. */
  readonly step: Pick<PlannedStep, 'name' | 'phase'> | null
  /** Why it failed, where that is not the status of a program. */
  readonly reason: string | null
  readonly end: BoxEnd
  readonly afterMs: number
  readonly limits: BuildLimits
  readonly hints: Hints
  /** Of the build's volumes. */
  readonly uses: readonly VolumeUse[]
}

/** Why a build failed: the limit that ended it with how to raise it, else the status of what it ran. */
export function verdictOf(ended: Ended): BuildFailure {
  const { end, limits, hints } = ended
  const step = called(ended)
  if (end.oomKilled)
    return new BuildFailure(
      'out_of_memory',
      `${step} needed more than the ${limits.memoryMb} MB of memory a build of this app may use: set build.memory in lockgate.yaml, e.g. ${doubled(limits.memoryMb)}`,
    )
  if (ended.afterMs >= limits.seconds * 1000 - 500)
    return new BuildFailure(
      'timed_out',
      `${step} had not ended after ${limits.seconds} s, the time a build of this app may take: set build.timeout in lockgate.yaml, e.g. ${Math.ceil((limits.seconds * 2) / 60)}m`,
    )
  const full = fullDisk(ended)
  if (full) return full
  if (hints.isCrowded)
    return new BuildFailure(
      'too_many_processes',
      `${step} exited with ${end.status} after it wanted more than the ${limits.processes} processes a build may have at a time: set build.processes in lockgate.yaml, e.g. ${limits.processes * 2}`,
    )
  if (ended.reason !== null) return new BuildFailure('exit_code', `${step} failed: ${ended.reason}`)
  if (ended.step?.phase === 'test') return new BuildFailure('tests_failed', `The tests failed: ${step} exited with ${end.status}, and the log says why`)
  return new BuildFailure('exit_code', `${step} exited with ${end.status}: the log says why`)
}

function fullDisk(ended: Ended): BuildFailure | null {
  const { limits, hints, uses } = ended
  const step = called(ended)
  const hasNoBytes = uses.some((use) => use.usedBytes > use.totalBytes * FULL)
  const hasNoFiles = uses.some((use) => use.usedFiles > use.totalFiles * FULL)
  const raise = `set build.disk in lockgate.yaml, e.g. ${doubled(limits.diskMb)}`
  if (hasNoFiles)
    return new BuildFailure('disk_full', `${step} made more files than fit on the ${limits.diskMb} MB of disk a build of this app may use: ${raise}`)
  if (hasNoBytes || (hints.isFull && uses.length === 0))
    return new BuildFailure('disk_full', `${step} wrote more than the ${limits.diskMb} MB of disk a build of this app may use: ${raise}`)
  if (!hints.isFull) return null
  // It gave up before the disk was full, or what it had written was removed before anybody looked, or it was a folder in memory.
  return new BuildFailure(
    'disk_full',
    `${step} found no room for its files, of which a build of this app may have ${limits.diskMb} MB: ${raise}; if they are in /tmp, which is in memory, ` +
      'let it write below the folder of the repository',
  )
}

/** A checkout that does not fit. */
export function tooBig(limits: BuildLimits): BuildFailure {
  return new BuildFailure(
    'disk_full',
    `The files of the repository are more than the ${limits.diskMb} MB of disk a build of this app may use: set build.disk in lockgate.yaml, e.g. ${doubled(limits.diskMb)}`,
  )
}

function called({ step }: Ended): string {
  return step === null ? 'The build' : `"${step.name}"`
}

function doubled(mb: number): string {
  return mb % 512 === 0 ? `${(mb * 2) / 1024}GB` : `${mb * 2}MB`
}
