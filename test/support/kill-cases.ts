// The table of the kill tests: which app, how it is deployed, what is asked, and where the server kills itself.
import type { z } from 'zod'
import type { StrategyWords } from '../../src/core/environment/strategy.ts'
import type { Kind } from './disruption/types.ts'
import type { TestImage } from './images.ts'

/** The six places of every kind of step; see docs/decisions/0009. */
export const PLACES = ['before-intent', 'after-intent', 'during-effect', 'after-effect', 'before-result', 'after-result'] as const

export interface AppKind {
  readonly count: number
  readonly image: TestImage
  /** What its lockgate.yaml says. */
  readonly manifest: string
  readonly env: Readonly<Record<string, string>>
  readonly clients: readonly Kind[]
  /** How much longer than others it may take to deploy, because it starts or stops slowly. */
  readonly slowMs: number
}

const PLAIN: AppKind = { count: 1, image: 'all', manifest: '', env: {}, clients: ['new', 'kept'], slowMs: 0 }

export const APPS = {
  one: PLAIN,
  three: { ...PLAIN, count: 3 },
  slow: { ...PLAIN, env: { START_MS: '2000' }, slowMs: 4_000 },
  stubborn: { ...PLAIN, env: { STUBBORN: '1' }, manifest: 'stop:\n  grace: 1s\n', slowMs: 3_000 },
  sockets: { ...PLAIN, clients: ['new', 'kept', 'websocket', 'sse', 'upload', 'download'], slowMs: 4_000 },
  h2c: { ...PLAIN, image: 'h2c', manifest: 'protocol: h2c\n', clients: ['new', 'h2c'] },
  migrates: { ...PLAIN, manifest: `release_command: [node, -e, "console.log('migrated ' + process.env.LOCKGATE_RELEASE)"]\n`, slowMs: 2_000 },
} satisfies Record<string, AppKind>

export type AppWord = keyof typeof APPS

/** As the API is told them: short, so that a case takes seconds. */
export const STRATEGIES = {
  rolling: { kind: 'rolling' },
  'blue-green': { kind: 'blue-green' },
  recreate: { kind: 'recreate' },
  canary: { kind: 'canary', steps: [30, 60], soak: '1s', least: 1 },
} satisfies Record<string, z.input<typeof StrategyWords>>
export type StrategyWord = keyof typeof STRATEGIES
export type Verb = 'deploy' | 'rollback' | 'stop' | 'start' | 'restart' | 'scale-up' | 'scale-down' | 'cancel' | 'pause'

export interface KillCase {
  readonly app: AppWord
  readonly strategy: StrategyWord
  readonly verb: Verb
  /** Where it dies: `start.after-intent#2` is the second time it comes by. */
  readonly point: string
}

/** The kinds of steps a deploy of one instance goes through, in order. */
const FLOW = ['check', 'update', 'start', 'resume-traffic', 'stop-traffic', 'stop', 'remove'] as const
const KINDS: Readonly<Record<StrategyWord, readonly string[]>> = {
  rolling: FLOW,
  'blue-green': ['check', 'update', 'start', 'resume-traffic', 'switch', 'stop-traffic', 'stop', 'remove'],
  recreate: ['check', 'hold', 'stop-traffic', 'stop', 'remove', 'update', 'start', 'resume-traffic', 'end-hold'],
  canary: ['check', 'update', 'start', 'resume-traffic', 'shift-traffic', 'soak', 'switch', 'stop-traffic', 'stop', 'remove'],
}
/** Between the parts of an effect. */
const BETWEEN = [
  'engine.network-made',
  'engine.container-created',
  'resume-traffic.row-written',
  'edge.mirror-written',
  'edge.half-told',
  'remove.container-gone',
]
const FILES = ['file.before-rename', 'file.before-rename#2', 'edge.mirror-written#2', 'edge.half-told#2', 'edge.half-told#3']

type Rest = Omit<KillCase, 'point'>

function cases(rest: Rest, points: readonly string[]): KillCase[] {
  return points.map((point) => ({ ...rest, point }))
}

function places(kinds: readonly string[], which: readonly string[] = PLACES): string[] {
  return kinds.flatMap((kind) => which.map((place) => `${kind}.${place}`))
}

const TRIED_THROUGHOUT = ['rolling', 'blue-green'] as const
const TWO = ['after-intent', 'after-effect'] as const
/** A deployment that comes to stand still, and one that is let go on. */
const PAUSE = ['pause.before-result', 'pause.after-result', 'resume.before-result', 'resume.after-result'] as const

/** Every place of every step of every strategy, and of each verb and kind of app those that differ. Some 600 kills. */
export const EVERY_CASE: readonly KillCase[] = [
  ...TRIED_THROUGHOUT.flatMap((strategy) => [
    ...cases({ app: 'one', strategy, verb: 'deploy' }, [...places(KINDS[strategy]), ...BETWEEN, ...FILES]),
    ...cases(
      { app: 'three', strategy, verb: 'deploy' },
      places(KINDS[strategy].slice(1), TWO).flatMap((point) => (point.startsWith('switch') ? [point] : [point, `${point}#3`])),
    ),
    ...cases({ app: 'one', strategy, verb: 'rollback' }, places(KINDS[strategy], TWO)),
    ...cases({ app: 'one', strategy, verb: 'restart' }, places(KINDS[strategy].slice(1), ['during-effect', 'after-result'])),
    ...cases({ app: 'three', strategy, verb: 'stop' }, places(['stop-traffic', 'stop', 'remove'], ['after-intent', 'during-effect', 'after-effect'])),
    ...cases({ app: 'three', strategy, verb: 'start' }, places(['update', 'start', 'resume-traffic'], ['after-intent', 'during-effect', 'after-effect'])),
    ...cases({ app: 'three', strategy, verb: 'scale-up' }, places(['update', 'start', 'resume-traffic'], TWO)),
    ...cases({ app: 'three', strategy, verb: 'scale-down' }, places(['stop-traffic', 'stop', 'remove'], TWO)),
    // Until the cancel the deployment goes forward; what comes after it goes back.
    ...cases({ app: 'one', strategy, verb: 'cancel' }, [...places(['update', 'start'], TWO), ...places(['stop', 'remove'])]),
    ...cases({ app: 'sockets', strategy, verb: 'deploy' }, places(['resume-traffic', 'stop-traffic', 'stop'], ['during-effect', 'after-effect'])),
  ]),
  ...(Object.keys(STRATEGIES) as StrategyWord[]).flatMap((strategy) => cases({ app: 'one', strategy, verb: 'pause' }, PAUSE)),
  ...cases({ app: 'one', strategy: 'recreate', verb: 'deploy' }, [...places(KINDS.recreate), ...BETWEEN, ...FILES]),
  ...cases({ app: 'three', strategy: 'recreate', verb: 'deploy' }, places(KINDS.recreate.slice(1), TWO)),
  ...cases({ app: 'sockets', strategy: 'recreate', verb: 'deploy' }, places(['hold', 'stop-traffic', 'end-hold'], ['during-effect', 'after-effect'])),
  ...cases({ app: 'one', strategy: 'recreate', verb: 'rollback' }, places(['hold', 'stop', 'end-hold'], TWO)),
  ...cases({ app: 'one', strategy: 'recreate', verb: 'restart' }, places(KINDS.recreate.slice(1), ['during-effect', 'after-result'])),
  // Of these verbs recreate holds nothing, and a canary brings nothing new: a few places of each.
  ...(['recreate', 'canary'] as const).flatMap((strategy) => [
    ...cases({ app: 'three', strategy, verb: 'stop' }, places(['stop-traffic', 'stop', 'remove'], ['during-effect', 'after-effect'])),
    ...cases({ app: 'three', strategy, verb: 'start' }, places(['update', 'start', 'resume-traffic'], ['during-effect', 'after-effect'])),
    ...cases({ app: 'three', strategy, verb: 'scale-up' }, places(['update', 'start', 'resume-traffic'], ['after-intent'])),
    ...cases({ app: 'three', strategy, verb: 'scale-down' }, places(['stop-traffic', 'stop', 'remove'], ['after-intent'])),
  ]),
  ...cases({ app: 'one', strategy: 'canary', verb: 'restart' }, places(['start', 'switch', 'stop'], TWO)),
  ...cases({ app: 'one', strategy: 'recreate', verb: 'cancel' }, [...places(['update', 'start'], TWO)]),
  ...cases({ app: 'one', strategy: 'canary', verb: 'deploy' }, [
    ...places(KINDS.canary),
    ...places(['shift-traffic', 'soak'], ['after-intent', 'during-effect', 'after-result']).map((point) => `${point}#2`),
  ]),
  ...cases({ app: 'three', strategy: 'canary', verb: 'deploy' }, places(['shift-traffic', 'soak', 'switch', 'stop-traffic'], TWO)),
  ...cases({ app: 'one', strategy: 'canary', verb: 'cancel' }, places(['stop', 'remove'], TWO)),
  ...cases({ app: 'slow', strategy: 'blue-green', verb: 'deploy' }, places(['update', 'start', 'resume-traffic'], PLACES)),
  ...cases({ app: 'stubborn', strategy: 'rolling', verb: 'deploy' }, places(['stop-traffic', 'stop', 'remove'], PLACES)),
  ...cases({ app: 'h2c', strategy: 'blue-green', verb: 'deploy' }, places(['resume-traffic', 'switch', 'stop-traffic'], TWO)),
  ...cases({ app: 'h2c', strategy: 'rolling', verb: 'deploy' }, places(['resume-traffic', 'stop-traffic', 'stop'], TWO)),
  ...cases({ app: 'migrates', strategy: 'blue-green', verb: 'deploy' }, places(['release-command'], PLACES)),
]

/** A few of each strategy and verb, for every run of the tests. */
export const FAST_CASES: readonly KillCase[] = [
  ...cases({ app: 'one', strategy: 'blue-green', verb: 'deploy' }, [
    'update.after-intent',
    'start.during-effect',
    'edge.half-told',
    'switch.after-intent',
    'stop.before-result',
    'file.before-rename',
  ]),
  ...cases({ app: 'three', strategy: 'rolling', verb: 'deploy' }, ['engine.container-created#2', 'stop-traffic.after-effect#3']),
  ...cases({ app: 'three', strategy: 'rolling', verb: 'scale-down' }, ['remove.container-gone']),
  ...cases({ app: 'one', strategy: 'blue-green', verb: 'rollback' }, ['switch.after-effect']),
  ...cases({ app: 'one', strategy: 'recreate', verb: 'deploy' }, ['hold.after-effect', 'update.after-intent']),
  ...cases({ app: 'one', strategy: 'canary', verb: 'deploy' }, ['shift-traffic.after-intent', 'soak.during-effect']),
  ...cases({ app: 'one', strategy: 'blue-green', verb: 'cancel' }, ['remove.after-intent']),
  ...cases({ app: 'one', strategy: 'blue-green', verb: 'pause' }, ['pause.before-result', 'resume.after-result']),
]
