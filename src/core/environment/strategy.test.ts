import { expect, test } from 'vitest'
import { resolveStrategy, StrategyWords, strategyOf } from './strategy.ts'

test('a word alone has its defaults', () => {
  expect(strategyOf({ kind: 'rolling' })).toEqual({ kind: 'rolling', surge: 1 })
  expect(strategyOf({ kind: 'recreate' })).toEqual({ kind: 'recreate', holdMs: 30_000 })
  expect(strategyOf({ kind: 'canary' })).toEqual({
    kind: 'canary',
    steps: [5, 25, 50],
    soakMs: 60_000,
    leastRequests: 50,
    sticky: { by: 'request' },
  })
})

test('what people write is understood', () => {
  expect(StrategyWords.parse({ kind: 'canary', steps: [10], soak: '5m', sticky: { header: 'X-User' } })).toMatchObject({
    steps: [10],
    soakMs: 300_000,
    sticky: { by: 'header', name: 'x-user' },
  })
})

test.each([
  ['a word of another strategy', { kind: 'rolling', hold: '3s' }, 'this belongs to the strategy recreate, and this one is rolling'],
  ['shares that do not grow', { kind: 'canary', steps: [25, 5] }, 'each share is greater than the one before'],
  ['all of it as a share', { kind: 'canary', steps: [100] }, '<=99'],
  ['a word nobody knows', { kind: 'canary', weights: [5] }, 'Unrecognized key'],
])('%s is refused', (_name, words, message) => {
  expect(StrategyWords.safeParse(words).error?.message).toContain(message)
})

test('only what brings a new release is tried on a share', () => {
  const canary = strategyOf({ kind: 'canary' })

  expect(resolveStrategy(canary, { count: 3, bringsNew: true }).kind).toBe('canary')
  expect(resolveStrategy(canary, { count: 3, bringsNew: false }).kind).toBe('blue-green')
  expect(resolveStrategy(strategyOf({ kind: 'auto' }), { count: 1, bringsNew: true }).kind).toBe('blue-green')
  expect(resolveStrategy(strategyOf({ kind: 'auto', surge: 2 }), { count: 2, bringsNew: true })).toEqual({ kind: 'rolling', surge: 2 })
})
