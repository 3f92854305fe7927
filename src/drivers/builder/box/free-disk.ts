import { BuildFailure } from '../../../core/build/build-failure.ts'
import { pause } from '../../../lib/clock.ts'
import type { Yard } from './yard.ts'

const CHECK_MS = 2_000

/** Throws BuildFailure `disk_low` where too little is free on the disk of the engine to begin a build. */
export async function refuseFullDisk(yard: Yard): Promise<void> {
  if (await isLow(yard)) throw diskLow(yard)
}

/** Looks until `until` aborts, and calls `full` once when too little is left. */
export async function watchDisk(yard: Yard, until: AbortSignal, full: () => void): Promise<void> {
  while (!until.aborted) {
    if (await isLow(yard).catch(() => false)) return full()
    await pause(CHECK_MS, until)
  }
}

/** The failure of a build that the disk ended, or did not let begin. */
export function diskLow({ freeDiskMb }: Yard): BuildFailure {
  return new BuildFailure(
    'disk_low',
    `Less than ${freeDiskMb} MB are free on the engine's disk, so nothing is built: make room, or see whether the build writes without end`,
  )
}

async function isLow(yard: Yard): Promise<boolean> {
  const free = await yard.boxes.freeBytes()
  return free !== null && free < yard.freeDiskMb * 1024 * 1024
}
