import type { Manifest } from '../app/manifest.ts'

/** What one build may use while `lockgate.yaml` says nothing. */
export const DEFAULT_BUILD_LIMITS = { cpus: 1, memoryMb: 1024, processes: 512, seconds: 900 } as const

/** Limits of a build: what the manifest asks for over the defaults. */
export function buildLimitsOf(manifest: Manifest): { readonly cpus: number; readonly memoryMb: number; readonly processes: number; readonly seconds: number } {
  const { memory, timeout } = manifest.build ?? {}
  return {
    ...DEFAULT_BUILD_LIMITS,
    memoryMb: memory ?? DEFAULT_BUILD_LIMITS.memoryMb,
    seconds: timeout === undefined ? DEFAULT_BUILD_LIMITS.seconds : Math.ceil(timeout / 1000),
  }
}
