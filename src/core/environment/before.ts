// What happens once, before anything moves: the check, and the release command.
import { totalmem } from 'node:os'
import { messageOf, PlatformError } from '../../lib/errors.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { howToGetAgain, isPresent } from '../artifact/present.ts'
import { openReleaseCommand } from '../one-off/open.ts'
import { variablesOf } from '../secret/variables.ts'
import { type ActionInput, intent, type Outcome } from './action.ts'
import { MAX_COUNT } from './environment.ts'
import { mostInstances, tooManyInstances } from './strategy.ts'

/** A container needs little of its own; below this the engine fails half way through. */
const LEAST_FREE_BYTES = 64 * 1024 ** 2

/** check: the image is there (pulled now if it can be), the configuration opens, the machine has room. */
export async function check(input: ActionInput): Promise<Outcome> {
  const { context, snapshot } = input
  await intent(input)
  const release = snapshot.release
  if (!release) return { kind: 'passed' }
  try {
    const artifact = await context.store.read.artifacts.get(EVERYTHING, release.artifactId)
    if (!(await isPresent(context, artifact))) {
      const again = await howToGetAgain(context.store.read, artifact, snapshot.environment.name)
      return { kind: 'failed', cause: 'check_failed', message: `the image of ${artifact.origin} is not in the engine any more: ${again}` }
    }
    await variablesOf(context, release)
  } catch (error) {
    if (!(error instanceof PlatformError) || error.retryable) throw error
    return { kind: 'failed', cause: 'check_failed', message: messageOf(error) }
  }
  const strategy = snapshot.active?.strategy
  const most = strategy ? mostInstances(strategy, MAX_COUNT) : MAX_COUNT
  if (snapshot.wish.count > most)
    return { kind: 'failed', cause: 'check_failed', message: tooManyInstances(snapshot.wish.count, strategy?.kind ?? 'any strategy', most) }
  const free = await context.runtime.freeBytes()
  if (free !== null && free < LEAST_FREE_BYTES) {
    const message = `the disk of the engine has only ${Math.floor(free / 1024 / 1024)} MB free, too little to start anything on. Make room: "lockgate disk --clean"`
    return { kind: 'failed', cause: 'check_failed', message }
  }
  const neededMb = release.runSpec.limits.memoryMb * (snapshot.wish.count + (strategy?.kind === 'rolling' ? strategy.surge : 0))
  const presentMb = Math.floor(totalmem() / 1024 / 1024)
  if (neededMb > presentMb) {
    return {
      kind: 'failed',
      cause: 'check_failed',
      message: `${snapshot.wish.count} instances with a limit of ${release.runSpec.limits.memoryMb} MB need ${neededMb} MB; this machine has ${presentMb} MB. Lower limits.memory or the count`,
    }
  }
  return { kind: 'passed' }
}

/** The release command: a one-off of its own, found again by its record, never run twice. */
export async function releaseCommand(input: ActionInput): Promise<Outcome> {
  const { context, snapshot } = input
  const { active, release } = snapshot
  if (!active || !release?.runSpec.releaseCommand) return { kind: 'passed' }
  const command = release.runSpec.releaseCommand
  await intent(input, async (tx) => {
    // Every pass comes by here while the command runs: it is opened once.
    const opened = await tx.oneOffs.list(EVERYTHING, { where: { deploymentId: active.id }, limit: 1 })
    if (opened.length === 0) await openReleaseCommand(tx, { deployment: active, release, command, now: context.clock.now() })
  })
  const oneOff = (await context.store.read.oneOffs.list(EVERYTHING, { where: { deploymentId: active.id }, limit: 1 }))[0]
  if (!oneOff) return { kind: 'waiting', for: 'its release command', afterMs: 100 }
  if (oneOff.status === 'succeeded') return { kind: 'passed', numbers: { exitCode: 0 } }
  if (oneOff.status === 'failed' || oneOff.status === 'cancelled') {
    return {
      kind: 'failed',
      cause: 'release_command_failed',
      message: `the release command "${command.join(' ')}" failed: ${oneOff.message}. It may have changed data; its output: lockgate logs --one-off ${oneOff.id}`,
    }
  }
  return { kind: 'waiting', for: `its release command "${command.join(' ')}"`, afterMs: 200 }
}
