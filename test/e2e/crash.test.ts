import { afterAll, beforeAll, describe, test } from 'vitest'
import { aKillRig, type KillRig } from '../support/kill.ts'
import { FAST_CASES } from '../support/kill-cases.ts'

let rig: KillRig
beforeAll(async () => {
  rig = await aKillRig({ range: '10.212.0.0/16', deadlineMs: 60_000 })
})
afterAll(() => rig?.stop())

describe('kill -9 of the server loses nothing, and no request', () => {
  // A few of test/proof/crash.test.ts, for every run.
  test.for(FAST_CASES)('$strategy, $app: $verb dies at $point', (one, context) => rig.kill(one, context))
})
