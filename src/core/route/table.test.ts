import { expect, test } from 'vitest'
import { anApp, anEnvironment, anInstance, aRelease } from '../../../test/support/builders.ts'
import type { EnvironmentName } from '../app/app.ts'
import { DEFAULT_RUN_SPEC } from '../artifact/artifact.ts'
import type { Wish } from '../environment/environment.ts'
import type { Domain } from './route.ts'
import { type EnvironmentFacts, fingerprint, routingTable } from './table.ts'

function domain(host: string, path = '/'): Domain {
  return { host: host as Domain['host'], path: path as Domain['path'], environmentId: 'e-1', projectId: 'p-1', kind: 'own', createdAt: 0 }
}

function facts(said: Partial<EnvironmentFacts> = {}): EnvironmentFacts {
  return {
    environment: anEnvironment(),
    app: anApp(),
    domains: [domain('shop.localhost')],
    instances: [anInstance()],
    releases: new Map([['r-1', aRelease()]]),
    active: null,
    ...said,
  }
}

test('hostnames lead to the environment, its requests to the live arm, and the arm names its instances', () => {
  const table = routingTable(7, [facts({ environment: anEnvironment({ liveArm: 'green' }) })])
  expect(table.generation).toBe(7)
  expect(table.routes).toEqual([{ host: 'shop.localhost', path: '/', environmentId: 'e-1' }])
  expect(table.environments['e-1']).toMatchObject({ stable: 'e-1/green', candidate: null, hold: null })
  expect(table.arms).toEqual([
    { id: 'e-1/blue', protocol: 'http', targets: [{ instance: 'lockgate-test-shop--production-1-0', address: '10.210.0.3', port: 8080, ready: true }] },
  ])
})

test('an instance out of traffic stays named, so that its requests are counted; one that is gone or not yet in is not', () => {
  const instances = [
    anInstance({ name: 'c', traffic: 'none' }),
    anInstance({ name: 'b', traffic: 'out' }),
    anInstance({ name: 'a' }),
    anInstance({ name: 'd', removedAt: 1 }),
  ]
  expect(routingTable(1, [facts({ instances })]).arms[0]?.targets.map((one) => [one.instance, one.ready])).toEqual([
    ['a', true],
    ['b', false],
  ])
})

test('the same facts in any order are the same text, and the number is no part of what it says', () => {
  const one = facts({ domains: [domain('b.localhost'), domain('a.localhost', '/api'), domain('a.localhost')] })
  const two = facts({ environment: anEnvironment({ id: 'e-0' }), domains: [domain('c.localhost')], instances: [] })
  const table = routingTable(1, [one, two])

  expect(table.routes.map((route) => route.host + route.path)).toEqual(['a.localhost/', 'a.localhost/api', 'b.localhost/', 'c.localhost/'])
  expect(JSON.stringify(routingTable(1, [two, { ...one, domains: one.domains.toReversed() }]))).toBe(JSON.stringify(table))
  expect(fingerprint(routingTable(2, [one, two]))).toBe(fingerprint(table))
  expect(fingerprint(routingTable(1, [one]))).not.toBe(fingerprint(table))
})

const RUNS: Wish = { releaseId: 'r-1', set: 1, count: 1, running: true }
const RESTS: Wish = { ...RUNS, running: false }
const NEVER: Wish = { ...RUNS, releaseId: null, set: 0 }

test.each([
  ['starting', { active: { status: 'running', previous: RUNS, wish: { ...RUNS, set: 2 } } }],
  ['starting', { active: { status: 'reverting', previous: RUNS, wish: RESTS } }],
  ['stopped', { active: { status: 'running', previous: RUNS, wish: RESTS } }],
  ['not deployed', { active: { status: 'reverting', previous: NEVER, wish: RUNS } }],
  ['not deployed', { environment: anEnvironment({ wish: NEVER }) }],
  ['stopped', { environment: anEnvironment({ wish: RESTS }) }],
  ['crash looping', { instances: [anInstance({ crashes: 3 })] }],
  ['not ready', { instances: [anInstance({ crashes: 3, removedAt: 1 })] }],
] as const)('visitors of an app that is %s are told so', (state, said) => {
  expect(routingTable(1, [facts(said)]).environments['e-1']?.page.state).toBe(state)
})

test('an environment has the page and the longest timeout of the releases that run', () => {
  const slow = aRelease({ id: 'r-2', runSpec: { ...DEFAULT_RUN_SPEC, requestTimeoutMs: 9_000_000 } })
  const { environments } = routingTable(1, [
    facts({
      environment: anEnvironment({ name: 'staging' as EnvironmentName }),
      releases: new Map([
        ['r-1', aRelease()],
        ['r-2', slow],
      ]),
    }),
  ])
  expect(Object.keys(environments)).toEqual(['e-1'])
  expect(environments['e-1']).toMatchObject({ title: 'shop (staging)', requestTimeoutMs: 9_000_000 })
})

test.each<[string, Partial<EnvironmentFacts>, number]>([
  ['an environment that serves', {}, 10_000],
  ['one whose only instance has gone', { instances: [] }, 10_000],
  ['one that recreates, as long as it holds', { environment: anEnvironment({ strategy: { kind: 'recreate', holdMs: 25_000 } }) }, 25_000],
  ['a crash loop', { instances: [anInstance({ crashes: 3 })] }, 0],
  ['one that is stopped', { environment: anEnvironment({ wish: { ...anEnvironment().wish, running: false } }) }, 0],
  ['one that is being removed', { environment: anEnvironment({ removedAt: 1 }) }, 0],
  ['one to which nothing was deployed', { environment: anEnvironment({ wish: { ...anEnvironment().wish, releaseId: null } }), instances: [] }, 0],
])('requests of %s wait for a repair', (...[, said, ms]) => {
  expect(routingTable(1, [facts(said)]).environments['e-1']?.repairMs).toBe(ms)
})
