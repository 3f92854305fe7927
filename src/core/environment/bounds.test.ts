// Every wait of every step has a bound: the world is frozen before each kind of step of each verb and strategy, and the deployment
// must end all the same, and the environment must come right when the world moves again.
import { expect, test } from 'vitest'
import { ADA } from '../../../test/support/core.ts'
import { type Freeze, freezable } from '../../../test/support/frozen.ts'
import { aSteppedCore, type Stepped } from '../../../test/support/stepped.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { EMPTY_MANIFEST, Manifest } from '../app/manifest.ts'
import { deployImage } from '../deployment/deploy.ts'
import { type Deployment, isDeploymentFinished } from '../deployment/deployment.ts'
import { restart, scale, start, stop } from '../deployment/operate.ts'
import { resumeDeployment } from '../deployment/pause.ts'
import { rollback } from '../deployment/rollback.ts'
import type { Environment } from './environment.ts'

const STRATEGIES = [
  { kind: 'rolling' },
  { kind: 'rolling', surge: 0 },
  { kind: 'blue-green' },
  { kind: 'recreate' },
  { kind: 'canary', steps: [50], soak: '2s', least: 1 },
] as const

const manifestOf = (strategy: object): Manifest => ({
  ...EMPTY_MANIFEST,
  ...Manifest.parse({
    strategy,
    health: { kind: 'tcp', interval: '50ms', start_deadline: '4s', rise: 1 },
    drain: { deadline: '4s' },
    stop: { grace: '1s' },
    release_command: ['true'],
  }),
})

type Verb = (core: Stepped, environment: Environment, manifest: Manifest) => Promise<Pick<Deployment, 'id'>>
const VERBS: Readonly<Record<string, Verb>> = {
  deploy: async ({ context }, environment, manifest) => (await deployImage(context, { actor: ADA, environment, image: 'fake:good+v3', manifest })).deployment,
  restart: ({ context }, environment) => restart(context, { actor: ADA, environment }),
  rollback: async ({ context }, environment) => (await rollback(context, { actor: ADA, environment, to: null })).deployment,
  'scale up': ({ context }, environment) => scale(context, { actor: ADA, environment, count: 3 }),
  'scale down': ({ context }, environment) => scale(context, { actor: ADA, environment, count: 1 }),
  stop: ({ context }, environment) => stop(context, { actor: ADA, environment }),
  start: ({ context }, environment) => start(context, { actor: ADA, environment }),
}
/** Verbs that bring nothing new move in the same way under every strategy: they are tried with two of them. */
const verbsOf = (kind: string): readonly string[] => Object.keys(VERBS).filter((verb) => verb === 'deploy' || kind === 'rolling' || kind === 'recreate')
const cases = STRATEGIES.flatMap((strategy) =>
  ('surge' in strategy ? ['deploy'] : verbsOf(strategy.kind)).map((verb) => ({
    verb,
    strategy,
    called: `${verb} by ${strategy.kind}${'surge' in strategy ? ' without surge' : ''}`,
  })),
)

/** More passes than any bound needs: a day of waiting, where a pass is 40 s at most. */
const MOST_PASSES = 400

/** An app of two instances with an older release to go back to, and the deployment of the verb opened. */
async function opened(range: string, how: { readonly verb: string; readonly strategy: object }) {
  const world = freezable()
  const core = await aSteppedCore(range, { passMs: 40_000, around: world.around })
  const find = (id: string): Promise<Deployment> => core.context.store.read.deployments.get(EVERYTHING, id)
  const round = async (): Promise<void> => {
    for (const pass of [core.passEdge, core.passEnvironment, core.probe]) await pass()
  }
  const end = async ({ id }: Pick<Deployment, 'id'>, while_?: () => Promise<void>): Promise<Deployment> => {
    for (let passes = 0; passes < MOST_PASSES; passes++) {
      const now = await find(id)
      if (isDeploymentFinished(now)) return now
      // A canary that nobody visits asks a person.
      if (now.status === 'paused') await resumeDeployment(core.context, { actor: ADA, id })
      await while_?.()
      await round()
    }
    throw new Error(`no end: ${JSON.stringify(await find(id))}`)
  }
  const environment = () => core.context.store.read.environments.get(EVERYTHING, core.environment.id)
  const manifest = manifestOf(how.strategy)
  for (const image of ['fake:good+v1', 'fake:good+v2'])
    await end(
      (
        await deployImage(core.context, {
          actor: ADA,
          environment: await environment(),
          image,
          manifest: { ...manifest, strategy: { kind: 'rolling', surge: 1 } },
        })
      ).deployment,
    )
  await end(await scale(core.context, { actor: ADA, environment: await environment(), count: 2 }))
  if (how.verb === 'start') await end(await stop(core.context, { actor: ADA, environment: await environment() }))
  const before = await environment()
  await core.context.store.transaction((tx) =>
    tx.environments.save(before, { ...before, strategy: manifest.strategy ?? before.strategy }).then(() => undefined),
  )
  const deployment = await VERBS[how.verb]?.(core, await environment(), manifest)
  if (!deployment) throw new Error(how.verb)
  const journal = async (): Promise<string> => {
    const steps = await core.context.store.read.steps.list(EVERYTHING, { where: { deploymentId: deployment.id }, orderBy: 'seq' })
    return steps.map((step) => `${step.kind} ${step.status}`).join()
  }
  return { core, world, deployment, end, round, environment, journal, wish: before.wish, close: () => core.close() }
}

test.each(cases)(
  '$called ends, wherever the world stands still, and comes right afterwards',
  async (how) => {
    // Another run on this machine has other addresses.
    const range = `127.${64 + (process.pid % 60)}.0.0/16`
    const dry = await opened(range, how)
    /** The journal when a kind of step is first in it: the moments at which the world is frozen. */
    const moments = new Map<string, string>()
    const normal = await dry.end(dry.deployment, async () => {
      const journal = await dry.journal()
      const last = journal.split(',').at(-1)?.split(' ')[0] ?? ''
      moments.set(last, moments.get(last) ?? journal)
    })
    expect(normal.status).toBe('succeeded')
    await dry.close()

    for (const [at, moment] of [...moments.values()].entries()) {
      const freeze: Freeze = at % 2 === 0 ? 'still' : 'silent'
      const frozen = await opened(range, how)
      for (let passes = 0; (await frozen.journal()) !== moment && passes < 100; passes++) await frozen.round()
      await frozen.world.freeze(freeze)

      const ended = await frozen.end(frozen.deployment)
      expect(['succeeded', 'failed'], `${freeze} at ${moment}: ${ended.message}`).toContain(ended.status)

      frozen.world.thaw()
      // The watch of the release before may have taken it back meanwhile: what is wished is read again each time.
      const isRight = async (): Promise<boolean> => {
        const { wish } = await frozen.environment()
        const running = (await frozen.core.context.runtime.observe()).filter((one) => one.kind === 'instance' && one.state === 'running')
        return running.length === (wish.running ? wish.count : 0) && running.every((one) => one.set === wish.set)
      }
      for (let passes = 0; !(await isRight()) && passes < 60; passes++) await frozen.round()
      expect(await isRight(), `${freeze} at ${moment}`).toBe(true)
      await frozen.close()
    }
  },
  120_000,
)
