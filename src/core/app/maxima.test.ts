import { expect, test } from 'vitest'
import { ADA, aCore } from '../../../test/support/core.ts'
import { buildLimitsOf } from '../build/limits.ts'
import { scale } from '../deployment/operate.ts'
import { maximaOf } from '../project/maxima.ts'
import { runSpecOf } from './manifest.ts'
import { Maxima } from './maxima.ts'
import { parseManifest } from './parse-manifest.ts'

/** Of each maximum: a value that is set, one above it, and how the value is said. */
const ROWS = [
  ['limits.cpus', 0.5, '0.75', '0.5'],
  ['limits.memory', '256MB', '257MB', '256 MB'],
  ['limits.processes', 64, '65', '64'],
  ['limits.disk', '1GB', '1025MB', '1 GB'],
  ['build.cpus', 0.5, '2', '0.5'],
  ['build.memory', '512MB', '1GB', '512 MB'],
  ['build.processes', 100, '101', '100'],
  ['build.disk', '1GB', '2GB', '1 GB'],
  ['build.timeout', '5m', '301s', '5 m'],
  ['health.start_deadline', '30s', '31s', '30 s'],
  ['stop.grace', '5s', '5001ms', '5 s'],
  ['drain.deadline', '10s', '1h', '10 s'],
  ['request_timeout', '1m', '61s', '1 m'],
] as const

const written = (path: string, value: unknown): string =>
  path
    .split('.')
    .map((key, depth) => `${'  '.repeat(depth)}${key}:`)
    .join('\n')
    .concat(` ${value}\n`)

test('every maximum but that of instances has a row here', () => {
  expect(Object.keys(Maxima.shape).filter((path) => path !== 'instances')).toEqual(ROWS.map(([path]) => path))
})

test.each(ROWS)('%s above its maximum is refused with its place, its maximum is not, and a default above it is lowered', (...[path, most, above, said]) => {
  const maxima = Maxima.parse({ [path]: most })

  expect(() => parseManifest(`port: 80\n${written(path, above)}`, maxima)).toThrow(
    expect.objectContaining({
      code: 'manifest.invalid',
      message: `lockgate.yaml:${path.includes('.') ? '3:3' : '2:1'}: ${path}: at most ${said}: an administrator set this maximum ("maxima" in the settings)`,
    }),
  )
  const atMost = parseManifest(written(path, most), maxima)
  for (const silent of ['', 'port: 80\n', 'build: {test: make test}\n']) {
    const lowered = parseManifest(silent, maxima)
    const effective = (manifest: typeof atMost) => ({ ...runSpecOf(manifest, { command: null, port: 80 }), build: buildLimitsOf(manifest) })
    expect(effective(lowered)).toEqual(effective(atMost))
  }
})

test('a project has the maxima of its name over those of all, and scaling keeps to them', async () => {
  const core = await aCore('127.218.0.0/16')
  const environment = await core.anApp('shop')
  const { projectId } = environment
  const { name } = await core.context.store.read.projects.get({ projectId: null }, projectId)
  const maxima = { all: { instances: 2, 'limits.cpus': 1 }, projects: { [name]: { instances: 3 }, other: { instances: 9 } } }
  const context = { ...core.context, settings: { ...core.context.settings, maxima } }

  expect(await maximaOf(context, projectId)).toEqual({ instances: 3, 'limits.cpus': 1 })
  expect(await maximaOf(context, null)).toEqual({ instances: 2, 'limits.cpus': 1 })
  await core.ended(await core.deploy(environment, 'fake:good'))
  const now = await core.environment(environment.id)
  await expect(scale(context, { actor: ADA, environment: now, count: 4 })).rejects.toThrow(/at most 3 instances/)
  expect(await core.ended(await scale(context, { actor: ADA, environment: now, count: 3 }))).toMatchObject({ status: 'succeeded' })
})
