import { expect, test } from 'vitest'
import { anEnvironment } from '../../../test/support/builders.ts'
import type { DeploymentVerb } from './deployment.ts'
import { inputsOf } from './open.ts'

const WISH = { releaseId: 'r-1', set: 3, count: 2, running: true } as const
const NOTHING = { releaseId: null, count: null } as const

function wishOf(verb: DeploymentVerb, request: { releaseId: string | null; count: number | null } = NOTHING, wish: typeof WISH | object = WISH) {
  return inputsOf(anEnvironment({ wish: { ...WISH, ...wish } }), { verb, request, number: 9 }).wish
}

test.each([
  ['deploy', { releaseId: 'r-2', count: null }, { releaseId: 'r-2', set: 9, count: 2, running: true }],
  ['rollback', { releaseId: 'r-0', count: null }, { releaseId: 'r-0', set: 9, count: 2, running: true }],
  ['restart', NOTHING, { ...WISH, set: 9 }],
  ['scale', { releaseId: null, count: 5 }, { ...WISH, count: 5 }],
  ['stop', NOTHING, { ...WISH, running: false }],
  ['start', NOTHING, WISH],
] as const)('%s wishes for just that, and leaves the rest', (verb, request, wish) => {
  expect(wishOf(verb, request)).toEqual(wish)
})

test('a stopped environment starts with new instances, and a deploy starts it too', () => {
  expect(wishOf('start', NOTHING, { running: false })).toEqual({ ...WISH, set: 9 })
  expect(wishOf('deploy', { releaseId: 'r-2', count: null }, { running: false })).toMatchObject({ running: true })
  expect(wishOf('scale', { releaseId: null, count: 4 }, { running: false })).toEqual({ ...WISH, count: 4, running: false })
})

test('the strategy is decided with the count that is wished for', () => {
  const asked = (count: number) => inputsOf(anEnvironment({ wish: WISH }), { verb: 'scale', request: { releaseId: null, count }, number: 9 })
  expect([asked(1).strategy.kind, asked(2).strategy.kind]).toEqual(['blue-green', 'rolling'])
})

test('the fingerprint is that of the inputs, and of nothing else', () => {
  const print = (said: object) => inputsOf(anEnvironment({ wish: WISH, ...said }), { verb: 'restart', request: NOTHING, number: 9 }).fingerprint
  expect(print({ version: 8, routeGeneration: 99 })).toBe(print({}))
  expect(print({ strategy: { kind: 'rolling', surge: 2 } })).not.toBe(print({}))
  expect(print({ wish: { ...WISH, count: 3 } })).not.toBe(print({}))
})
