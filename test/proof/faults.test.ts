import { describe, expect, test } from 'vitest'
import { faultLoop, MOVES, type Move } from '../support/fault-loop.ts'
import { tell } from '../support/proof.ts'

// Every call to the engine, the edge and the store: before its effect and after it, once and until it is healed. The disk of the
// edge's state is counted in src/drivers/edge/haproxy/disk.integration.test.ts.
const KINDS = [
  { sides: ['engine'], lasts: 'once' },
  { sides: ['engine'], lasts: 'on' },
  { sides: ['edge'], lasts: 'once' },
  { sides: ['edge'], lasts: 'on' },
  { sides: ['store'], lasts: 'once' },
  { sides: ['store'], lasts: 'on' },
] as const
const CASES = (Object.keys(MOVES) as Move[]).flatMap((move, at) =>
  KINDS.map((kind, index) => ({ move, ...kind, every: 1, range: `127.${100 + at * KINDS.length + index}.0.0/16` })),
)

// Side by side: each waits more than it works.
describe.concurrent('the n-th call fails', () => {
  test.for(CASES)('$move: a call to the $sides.0, $lasts', { timeout: 900_000 }, async (one, { task }) => {
    const { runs, asked, refused, failed } = await faultLoop(one)

    tell(task, { runs, 'ended failed, the old release serving': failed, requests: asked, 'requests failed': refused })
    expect(runs).toBeGreaterThan(5)
    expect([asked > 0, refused]).toEqual([true, 0])
  })
})
