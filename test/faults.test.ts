import { expect, test } from 'vitest'
import { faultLoop, MOVES, type Move } from './support/fault-loop.ts'

// Every call: bin/test proof. Here every few, so that each strategy and each side has its turn.
const CASES = (Object.keys(MOVES) as Move[]).flatMap((move, at) => [
  { move, sides: ['engine', 'edge'] as const, every: 9, lasts: 'once' as const, range: `127.${160 + at * 2}.0.0/16` },
  { move, sides: ['store'] as const, every: 120, lasts: 'on' as const, range: `127.${161 + at * 2}.0.0/16` },
])

test.each(CASES)('$move: a call to the $sides that fails $lasts leaves nothing half done', { timeout: 120_000 }, async (one) => {
  const { runs, asked, refused } = await faultLoop(one)

  expect(runs).toBeGreaterThan(3)
  expect([asked > 0, refused]).toEqual([true, 0])
})
