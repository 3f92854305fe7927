import { expect, test } from 'vitest'
import { type AppFacts, appChecks } from './doctor-apps.ts'

type Environment = AppFacts['environment']
type Instance = Environment['instances'][number]

const INSTANCE: Instance = {
  name: 'lockgate-x-shop--production-1-0',
  release: 'r1',
  ordinal: 0,
  state: 'ready',
  detail: '',
  address: '10.0.0.3:8080',
  traffic: 'in',
  restarts: 0,
  startedAt: 1,
}

const ENVIRONMENT: Environment = {
  id: 'e-1',
  app: 'shop',
  name: 'production',
  state: 'running',
  release: 'r1',
  origin: null,
  count: 1,
  ready: 1,
  strategy: { kind: 'rolling', surge: 1, unavailable: 0 } as Environment['strategy'],
  share: 0,
  watch: null,
  branch: 'main',
  tags: null,
  trust: 'normal' as Environment['trust'],
  verify: 'off',
  urls: [],
  domains: [],
  deploymentId: null,
  blocked: null,
  pinned: [],
  instances: [INSTANCE],
}

const WATCH: NonNullable<Environment['watch']> = {
  deploymentId: 'd-1',
  secondsLeft: 9,
  sample: { requests: 50, failures: 40, answerMs: 1 },
  before: null,
  worse: 'r2 answers worse: 40 of 50 requests failed',
}

const some = (environment: Partial<Environment>, more: Partial<AppFacts> = {}): AppFacts => ({
  environment: { ...ENVIRONMENT, ...environment },
  detached: new Set(),
  worseAt: null,
  readyAgoMs: () => null,
  ...more,
})
const instances = (change: Partial<Instance>): Instance[] => [{ ...INSTANCE, ...change }]

test.each([
  [
    'an instance that does not answer',
    some({ state: 'degraded', ready: 0, instances: instances({ state: 'not ready', detail: 'GET / → 503' }) }, { readyAgoMs: () => 40_000 }),
    /^shop\/production is not ready: 0 of 1 instances are ready\. web\.0 is not ready \(GET \/ → 503\), last ready 40 s ago\. Read "lockgate logs shop", .*"lockgate rollback shop"$/,
  ],
  ['an instance that was never made', some({ state: 'degraded', ready: 0, instances: [] }), /0 of 1 instances are ready\. The others do not exist yet\./],
  [
    'an instance that the edge does not use',
    some({ state: 'degraded', ready: 0, instances: instances({ traffic: 'none' }) }),
    /web\.0 is ready, but the edge does not send it requests/,
  ],
  [
    'an environment that crashes, and is not production',
    some({
      state: 'crash looping',
      ready: 0,
      name: 'staging' as Environment['name'],
      instances: instances({ state: 'crash looping', detail: 'exit code 1', restarts: 5 }),
    }),
    /^shop\/staging crashes again and again: .*web\.0 is crash looping \(exit code 1, 5 restarts\), not ready since the server started\..*"lockgate logs shop -e staging"/,
  ],
  [
    'a release that its watch found worse',
    some({ watch: WATCH }, { worseAt: 0 }),
    /^The watched release is worse since 1970-01-01T00:00:00\.000Z: r2 answers worse: .*Run "lockgate rollback shop"/,
  ],
  ['a network that was deleted', some({}, { detached: new Set([INSTANCE.name]) }), /^web\.0 runs without its network, .*"lockgate restart shop"$/],
])('%s is red, and only that', (_what, facts, sentence) => {
  const checks = appChecks([some({ app: 'other', instances: instances({ name: 'other' }) }), facts])

  expect(checks).toEqual([
    { area: expect.stringMatching(/^(apps|network)$/), name: `shop/${facts.environment.name}`, ok: false, sentence: expect.stringMatching(sentence) },
  ])
})

test.each(['running', 'deploying', 'paused', 'stopping', 'stopped', 'not deployed', 'removing'] as const)('an environment that is %s is fine', (state) => {
  expect(appChecks([some({ state })])).toMatchObject([{ area: 'apps', name: 'ready', ok: true }])
})
