import { expect, test } from 'vitest'
import type { z } from 'zod'
import { BuildFlow, buildLines, endLines, FlowLines, shortInstance, stepLine } from './flow.ts'
import type { Build, DeploymentLive, Step } from './resources.ts'

type StepView = z.output<typeof Step>
type Live = z.output<typeof DeploymentLive>

function aStep(said: Partial<StepView> = {}): StepView {
  return { id: 's-1', seq: 1, kind: 'start', instance: 'lockgate-x-shop--production-4-0', status: 'done', waiting: null, seconds: 1.23, numbers: {}, ...said }
}

function aLive(said: Partial<Live['deployment']> = {}, steps: StepView[] = []): Live {
  const deployment: Live['deployment'] = {
    id: 'd-1',
    app: 'shop',
    environment: 'production',
    number: 4,
    verb: 'deploy',
    status: 'running',
    cause: 'requested',
    message: '',
    blocked: null,
    containedIn: null,
    strategy: { kind: 'blue-green' },
    wish: { releaseId: 'r-1', set: 4, count: 1, running: true },
    release: 'r4',
    origin: 'main@3f2c1a9',
    fingerprint: '',
    report: null,
    buildId: null,
    actor: { kind: 'token', id: 'k-ada', name: 'ada' },
    createdAt: 0,
    startedAt: 0,
    finishedAt: null,
    ...said,
  }
  return { deployment, steps, planned: [] }
}

test('an instance is told by its set and ordinal', () => {
  expect([shortInstance('lockgate-x-shop--production-4-12'), shortInstance('something else')]).toEqual(['web.12 (set 4)', 'something else'])
})

test.each([
  [aStep({ numbers: { probe: 'GET / → 200' } }), '✓ start           web.0 (set 4)      1.2 s  GET / → 200'],
  [aStep({ kind: 'stop-traffic', numbers: { inFlightAtStart: 7, inFlight: 0 } }), '✓ stop traffic    web.0 (set 4)      1.2 s  7 in flight, all finished'],
  [aStep({ kind: 'stop-traffic', numbers: { inFlightAtStart: 0 } }), '✓ stop traffic    web.0 (set 4)      1.2 s  nothing in flight'],
  [aStep({ kind: 'stop-traffic', numbers: { inFlightAtStart: 7, cut: 2 } }), '✓ stop traffic    web.0 (set 4)      1.2 s  7 in flight, 2 cut'],
  [aStep({ kind: 'stop', numbers: { exitCode: 143 } }), '✓ stop            web.0 (set 4)      1.2 s  exit code 143'],
  [
    aStep({ kind: 'switch', instance: null, status: 'intended', waiting: 'the edge to confirm' }),
    '… switch traffic                     1.2 s  waits for the edge to confirm',
  ],
  [aStep({ status: 'failed' }), '✗ start           web.0 (set 4)      1.2 s'],
])('a step is one line', (step, line) => {
  expect(stepLine(step)).toBe(line)
})

test('each thing is said once, and running numbers are no news', () => {
  const flow = new FlowLines()
  const waiting = (seconds: number): Live =>
    aLive({ blocked: `start waits for a good answer, ${seconds} s of 60 s` }, [
      aStep(),
      aStep({ id: 's-2', kind: 'resume-traffic', status: 'intended', seconds }),
    ])
  expect(flow.next(waiting(1))).toEqual([expect.stringContaining('✓ start')])
  expect(flow.next(waiting(3))).toEqual([expect.stringMatching(/^… start waits for a good answer, 3 s/)])
  expect(flow.next(waiting(4))).toEqual([])
})

test('turning round is said with its reason', () => {
  const flow = new FlowLines()
  const reverting = aLive({ status: 'reverting', message: 'it was not ready' })
  expect([flow.next(reverting), flow.next(reverting)]).toEqual([['! it was not ready', '  going back to what was there before'], []])
})

test('the end of a failed one brings what it saw', () => {
  const report = { instance: 'i', lastProbe: 'GET / → 503', exitCode: 1, oomKilled: true, hint: 'it listens nowhere', logLines: ['one', 'two'] }
  expect(endLines(aLive({ status: 'failed', message: 'not ready', finishedAt: 2_500, report }))).toEqual([
    'deploy d-1 failed in 2.5 s: not ready',
    '  hint: it listens nowhere',
    '  last probe: GET / → 503',
    '  exit code: 1 (killed: out of memory)',
    '  its last 2 log lines:',
    '  | one',
    '  | two',
  ])
  expect(endLines(aLive({ status: 'succeeded', finishedAt: 2_500 }))).toEqual(['deploy d-1 succeeded in 2.5 s: r4 (main@3f2c1a9)'])
})

type BuildView = z.output<typeof Build>

function aBuild(said: Partial<BuildView> = {}): BuildView {
  return {
    id: 'b-1',
    app: 'shop',
    environment: 'production',
    commit: '3f2c1a9',
    ref: 'refs/heads/main',
    status: 'running',
    cause: 'requested',
    message: '',
    purpose: 'deploy',
    trust: 'protected',
    reused: null,
    tests: null,
    ahead: 0,
    steps: [],
    deploymentId: null,
    actor: { kind: 'token', id: 'k-ada', name: 'ada' },
    createdAt: 0,
    startedAt: 1_000,
    finishedAt: null,
    ...said,
  }
}

const install = { number: 1, name: 'npm ci', state: 'done', seconds: 0.42, cached: true } as const
const tests = { number: 2, name: 'npm test', state: 'running', seconds: 3, cached: false } as const

test('steps of a build are said once, when they have ended; what came from cache says so', () => {
  const flow = new BuildFlow()

  const lines = [
    flow.next(aBuild({ status: 'queued', ahead: 2 })),
    flow.next(aBuild({ status: 'queued', ahead: 2 })),
    flow.next(aBuild({ steps: [install, tests] })),
    flow.next(aBuild({ steps: [install, tests] })),
    flow.next(aBuild({ steps: [install, { ...tests, state: 'done', seconds: 4.04 }], status: 'succeeded', finishedAt: 6_500 })),
  ]

  expect(lines).toEqual([
    ['build b-1 queued: 2 builds before it'],
    [],
    ['  ✓ npm ci                             0.4 s  from cache'],
    [],
    ['  ✓ npm test                           4.0 s', 'build b-1 succeeded in 5.5 s'],
  ])
})

test('a failed build names the tests that failed, and why it ended', () => {
  const failed = aBuild({
    status: 'failed',
    message: 'npm test exited with 1',
    finishedAt: 2_000,
    tests: { total: 5, failed: 1, skipped: 1, seconds: 0.5, failures: [{ name: 'adds', message: 'expected 3\ngot 4' }] },
  })

  expect(buildLines(failed)).toEqual([
    'tests: 3 passed, 1 failed, 1 skipped in 0.5 s',
    '  ✗ adds',
    '    expected 3',
    '    got 4',
    'build b-1 failed in 1.0 s: npm test exited with 1',
  ])
})
