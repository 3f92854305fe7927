import { expect, test } from 'vitest'
import { anApp, anEnvironment } from '../../../test/support/builders.ts'
import { step } from '../deployment/strategies/moves.ts'
import { Progress } from './progress.ts'
import type { Snapshot } from './snapshot.ts'

const KEEP = { app: anApp(), environment: anEnvironment(), active: null, direction: 'keep', releases: new Map(), openSteps: [] } as unknown as Snapshot
const repair = (kind: 'start' | 'update') => ({ batches: [{ lanes: [[step(kind, { set: 1, ordinal: 0, arm: 'blue' })]] }] })

test('steps that are planned over and over are no progress, and the next repair begins anew', () => {
  let now = 0
  const progress = new Progress({ clock: { now: () => now, monotonic: () => now } })
  const look = (plan: Parameters<Progress['idleMs']>[1]): number => {
    now += 1_000
    return progress.idleMs(KEEP, plan)
  }

  expect([repair('update'), repair('start'), repair('update'), repair('start'), repair('update')].map(look)).toEqual([0, 0, 1_000, 2_000, 3_000])
  expect(look({ batches: [] })).toBe(0)
  expect([repair('update'), repair('start')].map(look)).toEqual([0, 0])
})
