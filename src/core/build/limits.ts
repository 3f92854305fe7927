import type { Manifest } from '../app/manifest.ts'

/** What one build may use while `lockgate.yaml` says nothing. */
export const DEFAULT_BUILD_LIMITS = { cpus: 1, memoryMb: 1024, processes: 512, seconds: 900, diskMb: 4096 } as const

type BuildLimits = { readonly [Name in keyof typeof DEFAULT_BUILD_LIMITS]: number }

/** Limits of a build: what the manifest asks for over the defaults. */
export function buildLimitsOf(manifest: Manifest): BuildLimits {
  const { memory, timeout, cpus, processes, disk } = manifest.build ?? {}
  return {
    ...DEFAULT_BUILD_LIMITS,
    cpus: cpus ?? DEFAULT_BUILD_LIMITS.cpus,
    processes: processes ?? DEFAULT_BUILD_LIMITS.processes,
    diskMb: disk ?? DEFAULT_BUILD_LIMITS.diskMb,
    memoryMb: memory ?? DEFAULT_BUILD_LIMITS.memoryMb,
    seconds: timeout === undefined ? DEFAULT_BUILD_LIMITS.seconds : Math.ceil(timeout / 1000),
  }
}
