import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import type { TestFile } from '../../../core/build/build.ts'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { ImageChoice, StepsPlan } from '../../../core/build/build-plan.ts'
import { repack } from '../../../lib/repack.ts'
import { STATIC_SERVER } from '../bases/node-files.ts'
import type { BuildResult } from '../types.ts'
import { testFiles, testPaths } from './test-files.ts'
import type { Workshop } from './workshop.ts'

/** Carries out a plan of steps: they run in the builder image, what is taken goes onto the runner image. */
export async function buildSteps(workshop: Workshop, plan: StepsPlan): Promise<Pick<BuildResult, 'digest' | 'runSpec' | 'ports' | 'tests'>> {
  const tests = plan.builder === null ? [] : await run(workshop, plan.builder, plan)
  const files = await taken(workshop, plan)
  const command = plan.command ?? ['node', STATIC_SERVER, '/app']
  // What the image says is what runs: the release's command stays free for lockgate.yaml.
  return { digest: await workshop.makeImage({ runner: plan.runner, files, command, env: plan.env }), runSpec: { command: null }, ports: [], tests }
}

/** Runs the steps and gives what their tests left, which a failure carries too. */
async function run(workshop: Workshop, builder: ImageChoice, { steps }: StepsPlan): Promise<readonly TestFile[]> {
  const isTested = steps.some(({ phase }) => phase === 'test')
  try {
    await workshop.run(builder, steps, isTested ? testPaths(workshop) : [])
  } catch (error) {
    if (!isTested || !(error instanceof BuildFailure) || error.buildCause === 'requested') throw error
    throw new BuildFailure(error.buildCause, error.message, await testFiles(workshop).catch(() => []))
  }
  return isTested ? await testFiles(workshop) : []
}

async function taken(workshop: Workshop, { builder, taken }: StepsPlan): Promise<Readable> {
  if (builder === null) return workshop.checkout(taken.path)
  if (taken.kind === 'archive') {
    const archive = await workshop.raw(`/app/${taken.path}`)
    if (archive === null) throw new BuildFailure('no_artifact', `make build ended well but left no ${taken.path} in the folder of the repository`)
    return repack(gunzip(await onlyFile(archive, taken.path)), workshop.appFiles(''))
  }
  const files = await workshop.result(taken.path === '' ? '/app' : `/app/${taken.path}`)
  if (files === null) throw new BuildFailure('no_artifact', `The build left no folder ${taken.path}: check build.publish in lockgate.yaml`)
  return files
}

/** The one file in a tar that the engine made of a path; the app may have put anything there. */
export async function onlyFile(tar: Readable, called: string): Promise<Readable> {
  const entries = extract()
  entries.on('error', () => undefined)
  pipeline(tar, entries, () => undefined)
  // Not `for await`: leaving it would destroy the archive, and the entry with it, before anybody has read it.
  const { value: entry } = await entries[Symbol.asyncIterator]().next()
  if (entry?.header.type === 'file') return entry
  entries.destroy()
  throw new BuildFailure('no_artifact', `${called} is a ${entry?.header.type ?? 'nothing'}, not a file`)
}

function gunzip(bytes: AsyncIterable<unknown>): Readable {
  const unzipped = createGunzip()
  pipeline(bytes as AsyncIterable<Uint8Array>, unzipped, () => undefined)
  return unzipped
}
