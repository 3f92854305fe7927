import { expect, test } from 'vitest'
import { anInstance, aRelease } from '../../../test/support/builders.ts'
import type { Instance, ObservedInstance, ProbeResult } from '../instance/instance.ts'
import { findUnwell, type WatchedInstance } from './unwell.ts'

const GOOD: ProbeResult = { state: 'ready', lastAnswer: 'GET / → 200', failuresInARow: 0, wasReady: true }
const BAD: ProbeResult = { state: 'not-ready', lastAnswer: 'GET / → no answer within 2000 ms', failuresInARow: 3, wasReady: true }
const NEW: ProbeResult = { ...BAD, wasReady: false }

const RUNNING: ObservedInstance = {
  ...{ name: 'i', environmentId: 'e-1', kind: 'instance', set: 4, ordinal: 0, key: 'k', state: 'running', exitCode: null },
  ...{ oomKilled: false, restarts: 0, digest: 'd', address: null, startedAt: 1 },
}

const well: WatchedInstance = { instance: anInstance({ ordinal: 0, set: 4 }), observed: RUNNING, probe: GOOD, isReady: true }
const one = (
  said: Partial<Omit<WatchedInstance, 'instance' | 'observed'>> & { instance?: Partial<Instance>; observed?: Partial<ObservedInstance> },
): WatchedInstance => ({
  ...well,
  ...said,
  instance: { ...well.instance, ...said.instance },
  observed: { ...(well.observed as ObservedInstance), ...said.observed },
})
const hung = one({ probe: BAD, isReady: false })

test.each<[string, readonly WatchedInstance[], number, string | null]>([
  ['all answer', [well, well], 0, null],
  ['one memory kill', [well, one({ observed: { oomKilled: true } })], 0, 'web.0 (set 4) was killed because it used more memory than its limit (512 MB)'],
  ['one crash', [one({ observed: { restarts: 1, exitCode: 3 } })], 0, null],
  ['two crashes by the engine', [one({ observed: { restarts: 2, exitCode: 3 } })], 0, 'web.0 (set 4) crashed 2 times (exit code 3)'],
  ['crashes before it last stayed up', [one({ observed: { restarts: 2 }, instance: { restartsForgiven: 2 } })], 0, null],
  ['two crashes by our count', [one({ instance: { crashes: 2 }, observed: { exitCode: null } })], 0, 'web.0 (set 4) crashed 2 times'],
  ['it hangs, for a moment', [hung], 1_900, null],
  [
    'it hangs, and nobody else is there',
    [hung],
    2_000,
    'web.0 (set 4) does not answer health checks any more (GET / → no answer within 2000 ms), for 2 s; no instance does',
  ],
  ['it hangs beside one that answers', [hung, well], 9_900, null],
  [
    'it hangs beside one that answers, for long',
    [hung, well],
    10_000,
    'web.0 (set 4) does not answer health checks any more (GET / → no answer within 2000 ms), for 10 s',
  ],
  ['it starts again after a crash', [one({ probe: NEW, isReady: false })], 59_000, null],
  [
    'it never comes again',
    [one({ probe: NEW, isReady: false, observed: { state: 'exited' } })],
    60_000,
    'web.0 (set 4) does not answer health checks any more (GET / → no answer within 2000 ms), for 1 m; no instance does',
  ],
])('%s', (...[, instances, unreadyMs, found]) => {
  expect(findUnwell({ release: aRelease(), instances, unreadyMs })).toEqual(found)
})
