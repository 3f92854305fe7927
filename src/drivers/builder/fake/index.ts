import { z } from 'zod'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import { describePlan, filesToRead, planBuild } from '../../../core/build/plan.ts'
import { pause } from '../../../lib/clock.ts'
import { codeOf, messageOf } from '../../../lib/errors.ts'
import type { Driver } from '../../driver.ts'
import type { Builder, BuildRequest, BuildResult } from '../types.ts'

const FILE = 'fake-image'

const Config = z
  .strictObject({
    seconds: z.number().min(0).max(600).default(0).describe('How long a build takes'),
  })
  .describe('Builds that make nothing: their image is fake:good, or what the file fake-image of the checkout says')
type Config = z.infer<typeof Config>

/** What the fake builder needs: the runtime's way from an image's name to its digest. */
export interface FakeNeeds {
  readonly resolveImage: (reference: string) => Promise<{ readonly digest: string }>
}

/**
 * A builder without boxes, for trying and for tests. The file `fake-image` names the image (`fake:good+v2`), or says
 * `fail` and the build exits with 1, or `hang` and it runs until it is cancelled or its time is over.
 */
export const fake: Driver<Builder, typeof Config, FakeNeeds> = {
  name: 'fake',
  Config,
  create: async (config, needs) => ({
    recipe: async () => null,
    test: (request, { command }) => testFake(request, command),
    build: (request) => build(config, needs, request),
    checks: async () => [],
    clean: async () => undefined,
    forget: async () => undefined,
  }),
}

/** The command `false` fails, everything else passes. */
async function testFake(request: BuildRequest, command: readonly string[]): Promise<void> {
  request.log(`-----> ${command.join(' ')}`)
  if (command[0] === 'false') throw new BuildFailure('tests_failed', 'The tests exited with 1: the log says why')
}

async function build(config: Config, needs: FakeNeeds, request: BuildRequest): Promise<BuildResult> {
  const wanted = request.files.includes(FILE) ? ((await request.readFile(FILE)) ?? '').trim() : ''
  const chosen = wanted === '' ? await detected(request) : `fake: the file ${FILE} says ${wanted}`
  request.log(`Building as ${chosen}`)
  const limitMs = request.limits.seconds * 1000
  await pause(wanted === 'hang' ? limitMs : config.seconds * 1000, request.signal)
  if (request.signal.aborted) throw new BuildFailure('requested', 'The build was cancelled')
  if (wanted === 'hang') throw new BuildFailure('timed_out', `The build had not ended after ${request.limits.seconds} s: set build.timeout in lockgate.yaml`)
  if (wanted === 'fail') throw new BuildFailure('exit_code', 'The build exited with 1: the log says why')
  const { digest } = await needs.resolveImage(wanted === '' ? 'fake:good' : wanted)
  request.log('Done')
  return { digest, chosen, runSpec: { command: null }, ports: [], releaseCommand: null, tests: [], content: null }
}

/** What a real builder would say; what nobody understands is good enough here. */
async function detected(request: BuildRequest): Promise<string> {
  const texts: Record<string, string | null> = {}
  for (const name of filesToRead(request.files)) texts[name] = await request.readFile(name)
  try {
    return describePlan(planBuild({ files: request.files, texts, manifest: request.manifest }))
  } catch (error) {
    if (codeOf(error) === 'build.not_understood') return `fake: taken as it is (${messageOf(error)})`
    throw error
  }
}
