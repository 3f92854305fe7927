// What an administrator bounds below what lockgate.yaml takes.
import { z } from 'zod'
import { durationText } from '../../lib/duration.ts'
import { sizeText } from '../../lib/size.ts'
import { DEFAULT_DISK_MB, DEFAULT_RUN_SPEC } from '../artifact/artifact.ts'
import { DEFAULT_BUILD_LIMITS } from '../build/limits.ts'
import { MAX_COUNT } from '../environment/environment.ts'
import { Manifest } from './manifest.ts'

const { build, limits, stop, drain, health, request_timeout } = Manifest.shape
const [ofBuild, ofLimits] = [build.unwrap().shape, limits.unwrap().shape]

/** Maxima by their path in `lockgate.yaml`, and `instances`, the most of one environment. What is not there has the bound of the file's schema. */
export const Maxima = z.strictObject({
  instances: z.int().min(1).max(MAX_COUNT).optional().describe('Instances of one environment'),
  'limits.cpus': ofLimits.cpus.describe('Cores of one instance'),
  'limits.memory': ofLimits.memory.describe('Memory of one instance'),
  'limits.processes': ofLimits.processes.describe('Processes and threads of one instance'),
  'limits.disk': ofLimits.disk.describe('Files that one instance writes into itself'),
  'build.cpus': ofBuild.cpus.describe('Cores of a build'),
  'build.memory': ofBuild.memory.describe('Memory of a build'),
  'build.processes': ofBuild.processes.describe('Processes and threads of a build'),
  'build.disk': ofBuild.disk.describe('Disk of a build'),
  'build.timeout': ofBuild.timeout.describe('How long a build may take'),
  'health.start_deadline': health.unwrap().shape.start_deadline.describe('How long a new instance may take to become ready'),
  'stop.grace': stop.unwrap().shape.grace.describe('How long an instance may take to stop'),
  'drain.deadline': drain.unwrap().shape.deadline.describe('How long requests in flight may take when their instance stops'),
  request_timeout: request_timeout.describe('How long a response may stay silent at the edge'),
})
export type Maxima = z.output<typeof Maxima>

type Path = Exclude<keyof Maxima, 'instances'>

interface Bounded {
  readonly byDefault: number
  readonly text: (value: number) => string
}

const BOUNDED: Readonly<Record<Path, Bounded>> = {
  'limits.cpus': { byDefault: DEFAULT_RUN_SPEC.limits.cpus, text: String },
  'limits.memory': { byDefault: DEFAULT_RUN_SPEC.limits.memoryMb, text: sizeText },
  'limits.processes': { byDefault: DEFAULT_RUN_SPEC.limits.processes, text: String },
  'limits.disk': { byDefault: DEFAULT_DISK_MB, text: sizeText },
  'build.cpus': { byDefault: DEFAULT_BUILD_LIMITS.cpus, text: String },
  'build.memory': { byDefault: DEFAULT_BUILD_LIMITS.memoryMb, text: sizeText },
  'build.processes': { byDefault: DEFAULT_BUILD_LIMITS.processes, text: String },
  'build.disk': { byDefault: DEFAULT_BUILD_LIMITS.diskMb, text: sizeText },
  'build.timeout': { byDefault: DEFAULT_BUILD_LIMITS.seconds * 1_000, text: durationText },
  'health.start_deadline': { byDefault: DEFAULT_RUN_SPEC.health.startDeadlineMs, text: durationText },
  'stop.grace': { byDefault: DEFAULT_RUN_SPEC.stopGraceMs, text: durationText },
  'drain.deadline': { byDefault: DEFAULT_RUN_SPEC.drain.deadlineMs, text: durationText },
  request_timeout: { byDefault: DEFAULT_RUN_SPEC.requestTimeoutMs, text: durationText },
}

const PATHS = Object.keys(BOUNDED) as readonly Path[]

/** What the settings say: for all projects, and by name of a project over that. */
export interface MaximaSettings {
  readonly all: Maxima
  readonly projects: Readonly<Record<string, Maxima>>
}

/** What a manifest asks for beyond the maxima: the path in it, and a sentence. Pure. */
export function beyond(manifest: Manifest, maxima: Maxima): { readonly path: readonly string[]; readonly message: string }[] {
  return PATHS.flatMap((path) => {
    const [most, value] = [maxima[path], valueAt(manifest, path)]
    if (most === undefined || value === undefined || value <= most) return []
    return [{ path: path.split('.'), message: `at most ${BOUNDED[path].text(most)}: an administrator set this maximum ("maxima" in the settings)` }]
  })
}

/** The manifest with a maximum in the place of each default that is above it. Pure. */
export function withMaxima(manifest: Manifest, maxima: Maxima): Manifest {
  let bounded: Readonly<Record<string, unknown>> = manifest
  for (const path of PATHS) {
    const most = maxima[path]
    if (most === undefined || valueAt(manifest, path) !== undefined || BOUNDED[path].byDefault <= most) continue
    const [part = '', key] = path.split('.')
    bounded = { ...bounded, [part]: key === undefined ? most : { ...(bounded[part] ?? (part === 'build' ? { kind: 'auto' } : {})), [key]: most } }
  }
  return bounded as Manifest
}

function valueAt(manifest: Manifest, path: Path): number | undefined {
  const [part = '', key] = path.split('.')
  const value = (manifest as Readonly<Record<string, unknown>>)[part]
  return (key === undefined ? value : (value as Readonly<Record<string, unknown>> | undefined)?.[key]) as number | undefined
}
