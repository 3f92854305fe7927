import { expect, test } from 'vitest'
import { isOneOffFinished, moveOneOff, ONE_OFF_TRANSITIONS, type OneOff, type OneOffStatus } from './one-off.ts'

const GIVEN: OneOff = {
  id: 'o-1',
  projectId: 'p-1',
  environmentId: 'e-1',
  releaseId: 'r-1',
  deploymentId: null,
  command: ['sh', '-c', '***'],
  sealed: { keyId: 'k-1', nonce: 'n', ciphertext: 'c', tag: 't' },
  status: 'queued',
  exitCode: null,
  message: '',
  cancelRequested: false,
  budgetUsedMs: 0,
  actor: { kind: 'token', id: 'k-ada', name: 'ada' },
  createdAt: 0,
  finishedAt: null,
  version: 1,
}

const MOVES = Object.entries(ONE_OFF_TRANSITIONS).flatMap(([from, to]) => to.map((status): [OneOffStatus, OneOffStatus] => [from as OneOffStatus, status]))

test.each(MOVES)('what a command was given stays sealed from %s to %s only as long as it is needed', (from, to) => {
  const moved = moveOneOff({ ...GIVEN, status: from }, to)

  expect(moved.sealed).toEqual(isOneOffFinished(moved) ? null : GIVEN.sealed)
})
