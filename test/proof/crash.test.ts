import { afterAll, beforeAll, describe, test } from 'vitest'
import { aKillRig, type KillRig } from '../support/kill.ts'
import { EVERY_CASE } from '../support/kill-cases.ts'

let rig: KillRig
beforeAll(async () => {
  rig = await aKillRig({ range: '10.200.0.0/16', deadlineMs: 10_000 })
})
afterAll(() => rig?.stop())

describe('kill -9 of the server loses nothing, and no request', () => {
  test.for(EVERY_CASE)('$strategy, $app: $verb dies at $point', (one, context) => rig.kill(one, context))
})
