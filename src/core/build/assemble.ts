import type { Manifest } from '../app/manifest.ts'
import {
  BASES,
  type BaseChoice,
  type BaseName,
  type Checkout,
  type ImageChoice,
  type NotThis,
  type PlannedStep,
  type StepsPlan,
  type Taken,
} from './build-plan.ts'
import { procfileOf } from './procfile.ts'
import { type Ask, goVersion, nodeVersion, phpVersion, pythonVersion, type Version } from './versions.ts'

/** What a language decides; `assemble` lets `lockgate.yaml` and the Procfile have their say. */
export interface Parts {
  readonly kind: StepsPlan['kind']
  readonly why: readonly string[]
  readonly builder: BaseChoice | null
  readonly install?: readonly PlannedStep[]
  readonly build?: readonly PlannedStep[]
  /** Where the language itself says how it is tested. */
  readonly test?: readonly PlannedStep[]
  /** After the tests: what takes away that only build and tests needed. */
  readonly finish?: readonly PlannedStep[]
  readonly taken: Taken
  readonly runner: BaseChoice
  readonly command: readonly string[] | null
  readonly env?: Readonly<Record<string, string>>
  /** Where steps that the repository says itself find the language's programs. */
  readonly stepEnv?: Readonly<Record<string, string>>
}

/** The plan of a language, with what the repository says otherwise in its place. */
export function assemble(checkout: Checkout, parts: Parts): StepsPlan {
  const said: Partial<NonNullable<Manifest['build']>> = checkout.manifest.build ?? {}
  const step = (run: readonly string[], phase: PlannedStep['phase']): PlannedStep => ({
    name: run.join(' '),
    run,
    phase,
    ...(parts.stepEnv === undefined ? {} : { env: parts.stepEnv }),
  })
  const install = said.install === undefined ? (parts.install ?? []) : said.install.map((run) => step(run, 'install'))
  const build = said.steps === undefined ? (parts.build ?? []) : said.steps.map((run) => step(run, 'build'))
  const test = said.test === undefined ? (parts.test ?? []) : [step(said.test, 'test')]
  const finish = said.install === undefined ? (parts.finish ?? []) : []
  const steps = [...install, ...build, ...test, ...finish].map((one) => withoutCommitted(one, checkout.files))
  const overridden = (['builder', 'runner', 'install', 'steps', 'output'] as const).filter((key) => said[key] !== undefined)
  return {
    kind: parts.kind,
    why: [...parts.why, ...(overridden.length === 0 ? [] : [`lockgate.yaml sets ${overridden.map((key) => `build.${key}`).join(', ')}`])],
    builder: said.builder !== undefined ? imageOf(said.builder) : (parts.builder ?? (steps.length === 0 ? null : { base: 'build', version: null })),
    steps,
    taken: said.output === undefined ? parts.taken : { kind: 'folder', path: said.output },
    runner: said.runner === undefined ? parts.runner : imageOf(said.runner),
    command: parts.command,
    env: parts.env ?? {},
    releaseCommand: procfileOf(checkout).release,
  }
}

/** An output that the repository itself has would be replaced by what was kept, with its own files gone. */
function withoutCommitted({ keeps, ...step }: PlannedStep, files: readonly string[]): PlannedStep {
  const isCommitted = keeps?.outputs.some((output) => files.some((file) => file === output || file.startsWith(`${output}/`))) ?? false
  return keeps === undefined || isCommitted ? step : { ...step, keeps }
}

/** What runs, where the repository says it: `processes.web.command` of lockgate.yaml, else `web:` of the Procfile. */
export function saidCommand(checkout: Checkout): { readonly command: readonly string[]; readonly file: string } | null {
  const manifest = checkout.manifest.processes?.web.command
  if (manifest !== undefined) return { command: manifest, file: 'lockgate.yaml' }
  const { web } = procfileOf(checkout)
  return web === null ? null : { command: web, file: 'Procfile' }
}

/** `lockgate/node:22` is a base of ours, anything else an image of somebody. */
function imageOf(reference: string): ImageChoice {
  const [, name = '', version = null] = /^lockgate\/([a-z-]+)(?::([0-9.]+))?$/.exec(reference) ?? []
  if (!BASES.includes(name as BaseName)) return { image: reference }
  const [language = ''] = name.split('-')
  const ask = version === null ? null : { file: 'lockgate.yaml', wants: version }
  return { base: name as BaseName, version: VERSIONS[language]?.(ask).version ?? null }
}

const VERSIONS: Readonly<Record<string, (ask: Ask | null) => Version>> = { node: nodeVersion, python: pythonVersion, go: goVersion, php: phpVersion }

/** A checkout that is not of a kind at all. */
export function notThis(not: string): NotThis {
  return { not, isNear: false }
}

/** A checkout that is of a kind and lacks something. */
export function nearly(not: string): NotThis {
  return { not, isNear: true }
}
