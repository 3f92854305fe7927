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
  ['b', '**/b'],
  ['', '*'],
  ['a/b/c', 'a/**/c'],
  ['a/c', 'a/**/c'],
  ['🎉.md', '?.md'],
])('%s matches %s', (text, pattern) => {
  expect(matchesGlob(text, pattern)).toBe(true)
})

test.each([
  ['maintenance', 'main'],
  ['release/1/2', 'release/*'],
  ['services/shopping/a.ts', 'services/shop/**'],
  ['aXmd', 'a.md'],
  ['a/b', 'a?b'],
  ['ab', '**/b'],
  ['', '?'],
  ['a/bc', 'a/**/c'],
])('%s does not match %s', (text, pattern) => {
  expect(matchesGlob(text, pattern)).toBe(false)
})

test('a pattern is told from a name', () => {
  expect([isGlob('release/*'), isGlob('main')]).toEqual([true, false])
})

test('a pattern that would keep a regular expression busy for years is answered at once', () => {
  const began = performance.now()
  expect(matchesGlob('a'.repeat(4_000), `${'*a'.repeat(90)}*b`)).toBe(false)
  expect(matchesGlob('a/'.repeat(2_000), `${'**/'.repeat(60)}b`)).toBe(false)
  expect(performance.now() - began).toBeLessThan(2_000)
})
