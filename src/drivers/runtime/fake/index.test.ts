import { expect, test } from 'vitest'
import { runtimeContract } from '../contract.ts'
import { behaviourOf, digestOf } from './behaviour.ts'
import { openFake } from './index.ts'

runtimeContract(async () => {
  const { runtime, knobs } = openFake()
  return {
    runtime,
    unreachable: openFake({ unreachable: true }).runtime,
    images: { good: 'fake:good', other: 'fake:good+v2', stubborn: 'fake:stubborn', exits: 'fake:exits' },
    network: '10.213.7.0',
    commands: { exit: (status) => ['exit', String(status)], say: (text) => ['echo', text] },
    crash: async (name) => knobs.crash(name),
  }
})

test('the name of an image says what it does, and its digest alone is enough to know', () => {
  expect(behaviourOf(digestOf('fake:slow-500ms+answers-404'))).toMatchObject({ startDelayMs: 500, answers: 404, exitsWith: null })
  expect(behaviourOf(digestOf('fake:exits-3+after-2s'))).toMatchObject({ exitsWith: 3, afterMs: 2_000 })
  expect(behaviourOf(digestOf('fake:unhealthy+v2'))).toMatchObject({ answers: 503, name: 'unhealthy+v2' })
  expect(digestOf('fake:good')).not.toEqual(digestOf('fake:good+v2'))
})
