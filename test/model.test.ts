import fc from 'fast-check'
import { test } from 'vitest'
import { play, type Schedule, schedule } from './support/schedules.ts'

const RUNS = Number(process.env['LOCKGATE_MODEL_RUNS'] ?? 25)

test(`whatever people, accidents and kills come in between, the core does what the model says (${RUNS} schedules)`, { timeout: RUNS * 10_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(schedule, (drawn: Schedule) => play('127.231.0.0/16', drawn)),
    { numRuns: RUNS, ...(process.env['LOCKGATE_MODEL_SEED'] ? { seed: Number(process.env['LOCKGATE_MODEL_SEED']) } : {}) },
  )
})
