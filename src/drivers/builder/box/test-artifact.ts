import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { BuildRequest } from '../types.ts'
import { networkFor, type Yard } from './yard.ts'

/** Runs a command in a finished image, as its own user, within the limits of a build. Throws BuildFailure. */
export async function testArtifact(
  yard: Yard,
  request: BuildRequest,
  artifact: { readonly digest: string; readonly command: readonly string[] },
): Promise<void> {
  const { limits, buildId, signal } = request
  const name = `lockgate-${yard.installation}-${buildId}-test`
  const said = artifact.command.join(' ')
  const startedAt = performance.now()
  const step = (state: 'running' | 'done' | 'failed'): void =>
    request.step({ number: 1, name: said, state, ms: state === 'running' ? 0 : Math.round(performance.now() - startedAt), cached: false })
  await yard.boxes.create({
    name,
    owner: buildId,
    image: artifact.digest,
    command: artifact.command,
    env: { CI: 'true' },
    limits,
    network: await networkFor(yard, request, request.log),
  })
  try {
    request.log(`-----> ${said}`)
    step('running')
    const deadline = AbortSignal.timeout(limits.seconds * 1000)
    const end = await yard.boxes.run(name, { line: (text) => request.log(text), signal: AbortSignal.any([signal, deadline]) })
    step(end.status === 0 && !deadline.aborted ? 'done' : 'failed')
    if (signal.aborted) throw new BuildFailure('requested', 'The build was cancelled')
    if (deadline.aborted) throw new BuildFailure('timed_out', `"${said}" had not ended after ${limits.seconds} s: set build.timeout in lockgate.yaml`)
    if (end.oomKilled) throw new BuildFailure('out_of_memory', `"${said}" needed more than ${limits.memoryMb} MB of memory: set build.memory in lockgate.yaml`)
    if (end.status !== 0) throw new BuildFailure('tests_failed', `"${said}" exited with ${end.status} in the finished image: the log says why`)
  } finally {
    await yard.boxes.removeAll(buildId)
  }
}
