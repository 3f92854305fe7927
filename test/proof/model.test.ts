import fc from 'fast-check'
import { test } from 'vitest'
import { tell } from '../support/proof.ts'
import { play, schedule } from '../support/schedules.ts'

const RUNS = 1_000

test('whatever people, accidents and kills come in between, the core does what the model says', { timeout: 1_800_000 }, async ({ task }) => {
  await fc.assert(
    fc.asyncProperty(schedule, (drawn) => play('127.231.0.0/16', drawn)),
    { numRuns: RUNS },
  )
  tell(task, { schedules: RUNS })
})
