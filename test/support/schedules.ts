// Schedules of people's verbs, the server's passes, accidents and kills, drawn by fast-check and played on the stepped core.
import fc from 'fast-check'
import { EMPTY_MANIFEST, Manifest } from '../../src/core/app/manifest.ts'
import { cancelDeployment } from '../../src/core/deployment/cancel.ts'
import { deployImage } from '../../src/core/deployment/deploy.ts'
import { ACTIVE_STATUSES, type Deployment } from '../../src/core/deployment/deployment.ts'
import { restart, scale, start, stop } from '../../src/core/deployment/operate.ts'
import { pauseDeployment, resumeDeployment } from '../../src/core/deployment/pause.ts'
import { rollback } from '../../src/core/deployment/rollback.ts'
import type { RoutingTable } from '../../src/core/route/route.ts'
import { PlatformError } from '../../src/lib/errors.ts'
import { ADA } from './core.ts'
import { Model } from './model.ts'
import { aSteppedCore, type Stepped } from './stepped.ts'

export const STRATEGIES = ['rolling', 'blue-green', 'recreate', 'canary'] as const

const verb = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deploy' as const), image: fc.constantFrom('good+a', 'good+b', 'good+c', 'exits-3', 'unhealthy') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('rollback' as const, 'restart' as const, 'stop' as const, 'start' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scale' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cancel' as const, 'pause' as const, 'resume' as const) }) },
)
const accident = fc.oneof(
  fc.record({ do: fc.constantFrom('crash' as const, 'vanish' as const), which: fc.nat(5) }),
  fc.record({ do: fc.constant('kill' as const), after: fc.integer({ min: 1, max: 25 }) }),
)
const passes = fc.record({
  do: fc.constant('pass' as const),
  order: fc.array(fc.constantFrom('environment' as const, 'edge' as const, 'probe' as const), { minLength: 1, maxLength: 12 }),
})
const act = fc.oneof({ weight: 3, arbitrary: verb }, { weight: 1, arbitrary: accident }, { weight: 6, arbitrary: passes })

type Act = typeof act extends fc.Arbitrary<infer A> ? A : never

export const schedule = fc.record({ strategy: fc.constantFrom(...STRATEGIES), acts: fc.array(act, { minLength: 5, maxLength: 25 }) })
export type Schedule = typeof schedule extends fc.Arbitrary<infer S> ? S : never

const PASSES_TO_END = 1_500

/** Plays a schedule, then lets everything come to its end. Throws at the first broken promise. */
export async function play(range: string, { strategy, acts }: Schedule): Promise<void> {
  const core = await aSteppedCore(range)
  const model = new Model()
  try {
    for (const one of acts) {
      await perform(core, one, { strategy, model })
      await model.follow(core.context.store)
    }
    await drain(core, model)
    await compare(core, model)
  } finally {
    await core.close()
  }
}

interface Playing {
  readonly strategy: Schedule['strategy']
  readonly model: Model
}

async function perform(core: Stepped, one: Act, { strategy, model }: Playing): Promise<void> {
  switch (one.do) {
    case 'pass':
      for (const kind of one.order) await passOf(core, kind, model)
      return
    case 'kill':
      return core.killAfter(one.after)
    case 'crash':
    case 'vanish': {
      // Never what serves alone: an app that has gone answers nobody, and no strategy can help it.
      const all = await core.context.runtime.observe()
      const serving = new Set(readyIn(core.table()))
      const spare = all.filter(({ name }) => !serving.has(name) || serving.size > 1)
      const victim = spare[one.which % Math.max(1, spare.length)]
      if (victim && serving.size !== 1) core.knobs[one.do](victim.name)
      return
    }
    default:
      await verbOf(core, one, strategy).catch((error: unknown) => {
        if (!(error instanceof PlatformError)) throw error
      })
  }
}

async function passOf(core: Stepped, kind: 'environment' | 'edge' | 'probe', model: Model): Promise<void> {
  if (kind === 'environment') await core.passEnvironment()
  else if (kind === 'edge') await core.passEdge()
  else await core.probe()
  await model.follow(core.context.store)
  if (!model.mustServe) return
  const table = core.table()
  if (table === null || readyIn(table).length > 0 || Object.values(table.environments)[0]?.hold) return
  throw new Error('a served set was taken out of traffic')
}

/** Instances that new requests go to. */
function readyIn(table: RoutingTable | null): string[] {
  const traffic = Object.values(table?.environments ?? {})[0]
  return (table?.arms ?? [])
    .filter((arm) => arm.id === traffic?.stable)
    .flatMap((arm) => arm.targets.filter((target) => target.ready).map((target) => target.instance))
}

async function verbOf(core: Stepped, one: Exclude<Act, { do: 'pass' | 'kill' | 'crash' | 'vanish' }>, strategy: Schedule['strategy']): Promise<unknown> {
  const { context } = core
  const input = { actor: ADA, environment: core.environment }
  switch (one.do) {
    case 'deploy': {
      const words = strategy === 'canary' ? { kind: 'canary', steps: [10, 50], soak: '1s', least: 1 } : strategy
      const health = { start_deadline: '3s', rise: 1 }
      const manifest = { ...EMPTY_MANIFEST, ...Manifest.parse({ strategy: words, health, watch: { for: '2s' } }) }
      return deployImage(context, { ...input, image: `fake:${one.image}`, manifest })
    }
    case 'rollback':
      return rollback(context, { ...input, to: null })
    case 'restart':
      return restart(context, input)
    case 'stop':
      return stop(context, input)
    case 'start':
      return start(context, input)
    case 'scale':
      return scale(context, { ...input, count: one.count })
    case 'cancel':
      return onNewest(core, ['queued', ...ACTIVE_STATUSES], (id) => cancelDeployment(context, { actor: ADA, id }))
    case 'pause':
      return onNewest(core, ['running'], (id) => pauseDeployment(context, { actor: ADA, id }))
    case 'resume':
      return onNewest(core, ['paused'], (id) => resumeDeployment(context, { actor: ADA, id }))
  }
}

async function onNewest(core: Stepped, status: readonly Deployment['status'][], work: (id: string) => Promise<unknown>): Promise<void> {
  const where = { environmentId: core.environment.id, status: [...status] }
  const [newest] = await core.context.store.read.deployments.list({ projectId: null }, { where, orderBy: 'number', descending: true, limit: 1 })
  if (newest) await work(newest.id)
}

/** Everything that was begun comes to its end; what asks is answered. */
async function drain(core: Stepped, model: Model): Promise<void> {
  for (let round = 0; round < PASSES_TO_END; round++) {
    await passOf(core, 'environment', model)
    await passOf(core, 'edge', model)
    await passOf(core, 'probe', model)
    await onNewest(core, ['paused'], (id) => resumeDeployment(core.context, { actor: ADA, id })).catch(() => undefined)
    if (model.isIdle && (await isAsWished(core))) return
  }
  const left = await core.context.store.read.deployments.list({ projectId: null }, { where: { status: ['queued', ...ACTIVE_STATUSES] } })
  throw new Error(`no end: ${left.map((one) => `${one.verb} ${one.number} ${one.status} ${one.blocked}`).join('; ') || 'the world is not as wished'}`)
}

async function isAsWished(core: Stepped): Promise<boolean> {
  const { read } = core.context.store
  const environment = await read.environments.get({ projectId: null }, core.environment.id)
  const open = await read.steps.list({ projectId: null }, { where: { environmentId: environment.id, status: 'intended' } })
  const { wish } = environment
  const count = wish.running && wish.releaseId !== null ? wish.count : 0
  const table = core.table()
  return open.length === 0 && table?.generation === (await read.edgeGeneration()) && readyIn(table).length === count
}

/** At rest the world, the tables and the model say the same. */
async function compare(core: Stepped, model: Model): Promise<void> {
  const environment = await core.context.store.read.environments.get({ projectId: null }, core.environment.id)
  const { wish } = environment
  if (JSON.stringify(wish) !== JSON.stringify(model.wish)) throw new Error(`the wish is ${JSON.stringify(wish)}, and should be ${JSON.stringify(model.wish)}`)
  const names = (await core.context.runtime.observe()).filter((one) => one.state === 'running').map((one) => `${one.set}-${one.ordinal}`)
  const wanted = wish.running && wish.releaseId !== null ? Array.from({ length: wish.count }, (_, ordinal) => `${wish.set}-${ordinal}`) : []
  if (names.toSorted().join() !== wanted.toSorted().join()) throw new Error(`there run ${names.join()}, and should ${wanted.join()}`)
  if (environment.share !== null || environment.hold !== null) throw new Error('a share or a hold was left')
  const traffic = Object.values(core.table()?.environments ?? {})[0]
  if (traffic?.candidate || traffic?.hold) throw new Error('the edge holds a share or a hold that nobody wants')
}
