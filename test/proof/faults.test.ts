import { describe, expect, test } from 'vitest'
import { faultLoop, MOVES, type Move } from '../support/fault-loop.ts'
import { tell } from '../support/proof.ts'

// Every call to the engine and the edge, every third to the store: before its effect and after it, once and until it is healed.
const KINDS = [
  { sides: ['engine'], every: 1, lasts: 'once' },
  { sides: ['engine'], every: 1, lasts: 'on' },
  { sides: ['edge'], every: 1, lasts: 'once' },
  { sides: ['edge'], every: 1, lasts: 'on' },
  { sides: ['store'], every: 3, lasts: 'once' },
  { sides: ['store'], every: 3, lasts: 'on' },
] as const
const CASES = (Object.keys(MOVES) as Move[]).flatMap((move, at) =>
  KINDS.map((kind, index) => ({ move, ...kind, range: `127.${100 + at * KINDS.length + index}.0.0/16` })),
)

describe('the n-th call fails', () => {
  test.for(CASES)('$move: a call to the $sides, $lasts', { timeout: 900_000 }, async (one, { task }) => {
    const { runs, asked, refused, failed } = await faultLoop(one)

    tell(task, { runs, 'ended failed, the old release serving': failed, requests: asked, 'requests failed': refused })
    expect(runs).toBeGreaterThan(5)
    expect([asked > 0, refused]).toEqual([true, 0])
  })
})
