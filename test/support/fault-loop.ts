// The counting fault loop: a deployment is made again and again, and each time another call of it to the engine, the edge or
// the store is the one that fails.
import { cancelDeployment } from '../../src/core/deployment/cancel.ts'
import type { Deployment } from '../../src/core/deployment/deployment.ts'
import { resumeDeployment } from '../../src/core/deployment/pause.ts'
import type { Environment } from '../../src/core/environment/environment.ts'
import { pause } from '../../src/lib/clock.ts'
import { ADA, aCore, type Core } from './core.ts'
import { type Fault, Faults, type Side } from './faults.ts'
import { until } from './until.ts'

export const MOVES = {
  rolling: { kind: 'rolling' },
  'blue-green': { kind: 'blue-green' },
  recreate: { kind: 'recreate' },
  canary: { kind: 'canary', steps: [50], soak: '100ms', least: 1 },
} as const
export type Move = keyof typeof MOVES

/** How long a fault that stays lasts, before it is healed. */
const LASTS_MS = 400

export interface Looped {
  readonly runs: number
  /** Requests of a visitor during all of it, and those that were not answered well. */
  readonly asked: number
  readonly refused: number
  readonly failed: number
}

export interface LoopOptions {
  readonly range: string
  readonly move: Move
  readonly sides: readonly Side[]
  /** Every how many calls one is made to fail: 1 is all of them. */
  readonly every: number
  readonly lasts: Fault['lasts']
}

/** Runs the loop. Throws where a deployment does not end, or what served does not serve on. */
export async function faultLoop(options: LoopOptions): Promise<Looped> {
  const faults = new Faults()
  const core = await aCore(options.range, { around: (context) => faults.around(context) })
  const environment = await core.anApp('shop')
  const deploy = (image: string) => core.deploy(environment, `fake:${image}`, { strategy: MOVES[options.move], watch: { for: '0s' } })
  await core.ended(await deploy('good+first'))
  const visitor = visit(core)
  // How many calls there are is counted, with a fault that never comes.
  faults.arm({ sides: options.sides, at: Number.POSITIVE_INFINITY, timing: 'before', lasts: 'once' })
  await ended(core, await deploy('good+count'))
  const calls = faults.calls
  let runs = 0
  let failed = 0
  for (let at = 1; at <= calls; at += options.every) {
    for (const timing of ['before', 'after'] as const) {
      const before = (await core.environment(environment.id)).wish
      faults.arm({ sides: options.sides, at, timing, lasts: options.lasts })
      const deployment = await deploy(`good+${options.move.slice(0, 2)}${runs}`)
      if (options.lasts === 'on') {
        await until('the fault strikes, or the deployment has ended without it', async () => faults.struck.length > 0 || (await hasEnded(core, deployment)))
        await pause(LASTS_MS)
      }
      if (options.lasts === 'on') faults.heal()
      const end = await ended(core, deployment)
      const struck = faults.struck[0] ?? 'nothing'
      faults.heal()
      await atRest(core, { environment, end, before, what: `call ${at} (${struck}, ${timing}, ${options.lasts})` })
      runs++
      if (end.status === 'failed') failed++
    }
  }
  const { asked, refused } = visitor.stop()
  return { runs, asked, refused, failed }
}

async function hasEnded(core: Core, { id }: Deployment): Promise<boolean> {
  return (await core.context.store.read.deployments.get({ projectId: null }, id)).finishedAt !== null
}

/** Its end; a canary that asks because the fault came into its soak is answered. */
async function ended(core: Core, deployment: Deployment): Promise<Deployment> {
  const now = await core.once(deployment, ({ status, finishedAt }) => status === 'paused' || finishedAt !== null)
  if (now.status !== 'paused') return now
  await resumeDeployment(core.context, { actor: ADA, id: deployment.id }).catch(() => cancelDeployment(core.context, { actor: ADA, id: deployment.id }))
  return ended(core, deployment)
}

interface AtRest {
  readonly environment: Environment
  readonly end: Deployment
  readonly before: Environment['wish']
  readonly what: string
}

/** What the world must be when all is over: exactly the new release, or exactly the old one and a cause. */
async function atRest(core: Core, { environment, end, before, what }: AtRest): Promise<void> {
  if (end.status !== 'succeeded' && (end.status !== 'failed' || end.message === '')) throw new Error(`${what}: ${end.status} ${end.cause} ${end.message}`)
  const wish = end.status === 'succeeded' ? end.wish : before
  await until(`${what}: only set ${wish.set} is there`, async () => {
    const all = await core.context.runtime.observe(environment.id)
    return all.length === wish.count && all.every((one) => one.set === wish.set && one.state === 'running')
  })
  const now = await core.environment(environment.id)
  if (JSON.stringify(now.wish) !== JSON.stringify(wish)) throw new Error(`${what}: the wish is ${JSON.stringify(now.wish)}`)
  await until(`${what}: nothing is left half done`, async () => {
    const { read } = core.context.store
    const open = await read.steps.list({ projectId: null }, { where: { environmentId: environment.id, status: 'intended' } })
    const { share, hold } = await core.environment(environment.id)
    return open.length === 0 && share === null && hold === null && (await core.edge.generation()) === (await read.edgeGeneration())
  })
}

function visit(core: Core): { stop(): { readonly asked: number; readonly refused: number } } {
  let going = true
  let asked = 0
  let refused = 0
  const loop = async (): Promise<void> => {
    while (going) {
      const { status } = await core.ask('shop').catch(() => ({ status: 0 }))
      if (!going) return
      asked++
      if (status !== 200) refused++
      await pause(10)
    }
  }
  void loop()
  return {
    stop: () => {
      going = false
      return { asked, refused }
    },
  }
}
