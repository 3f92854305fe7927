import { expect, test } from 'vitest'
import { isGlob, matchesGlob } from './glob.ts'

test.each([
  ['main', 'main'],
  ['release/1.2', 'release/*'],
  ['v1.2.3', 'v*'],
  ['services/shop/src/a.ts', 'services/shop/**'],
  ['services/shop/.env.example', 'services/shop/**'],
  ['a.md', '**/*.md'],
  ['docs/deep/a.md', '**/*.md'],
  ['a-1', 'a-?'],
  ['a+b', 'a+b'],
])('%s matches %s', (text, pattern) => {
  expect(matchesGlob(text, pattern)).toBe(true)
})

test.each([
  ['maintenance', 'main'],
  ['release/1/2', 'release/*'],
  ['services/shopping/a.ts', 'services/shop/**'],
  ['aXmd', 'a.md'],
  ['a/b', 'a?b'],
])('%s does not match %s', (text, pattern) => {
  expect(matchesGlob(text, pattern)).toBe(false)
})

test('a pattern is told from a name', () => {
  expect([isGlob('release/*'), isGlob('main')]).toEqual([true, false])
})
