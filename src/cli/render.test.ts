import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { ago, plainValue, safe, sizeOf, table, until, widthOf, wrap } from './render.ts'

function plainLines(text: string): string[] {
  return text.split('\n').map((line) => stripVTControlCharacters(line))
}

test.each([
  ['', 0],
  ['shop', 4],
  ['店', 2],
  ['日本語 app', 10],
  ['한국', 4],
  ['ＡＢ', 4],
  ['🚀', 2],
  ['\u001b[31mred\u001b[0m', 3],
  ['über', 4],
])('%j takes %i columns', (text, columns) => {
  expect(widthOf(text)).toBe(columns)
})

test('columns stand under each other, whatever the alphabet', () => {
  const rows = [
    ['shop', 'running', 'r1'],
    ['店', 'x', 'r2'],
  ]
  expect(plainLines(table(['app', 'state', 'release'], rows))).toEqual(['APP   STATE    RELEASE', 'shop  running  r1', '店    x        r2'])
})

const BUILDS = [
  ['b-1', 'succeeded', 'node: found package.json and package-lock.json'],
  ['b-2', 'queued', ''],
]

test('a last column that is too long for the terminal goes on under itself', () => {
  expect(plainLines(table(['id', 'status', 'why'], BUILDS, 50))).toEqual([
    'ID   STATUS     WHY',
    'b-1  succeeded  node: found package.json and',
    '                package-lock.json',
    'b-2  queued',
  ])
})

test('where a terminal is too narrow for that, it stands below its row, with its name', () => {
  const below = ['b-1  succeeded', '    why: node: found package.json and', '    package-lock.json', 'b-2  queued']
  expect(plainLines(table(['id', 'status', 'why'], BUILDS, 40))).toEqual(['ID   STATUS', ...below])
})

test.each([
  [0, '0 KB'],
  [900, '1 KB'],
  [31_000, '31 KB'],
  [4_404_019, '4.2 MB'],
  [118_489_088, '113 MB'],
  [1_610_612_736, '1.5 GB'],
])('%i bytes are %s', (bytes, words) => {
  expect(sizeOf(bytes)).toBe(words)
})

test('a word is not left hanging out where a line of its own holds it', () => {
  const url = 'http://shop-staging.apps.example.net:8480/'
  expect(plainLines(table(['app', 'state', 'url'], [['shop', 'running', url]], 52))).toEqual(['APP   STATE', 'shop  running', `    url: ${url}`])
})

test('a word that is longer than a line stays whole', () => {
  expect(wrap('see https://example.com/a/long/way it is', 12)).toEqual(['see', 'https://example.com/a/long/way', 'it is'])
})

test('rows may be short, and no line ends with blanks', () => {
  expect(
    table(['a', 'b'], [['only'], ['x', '']])
      .split('\n')
      .every((line) => line === line.trimEnd()),
  ).toBe(true)
})

test('what comes from a server cannot steer the terminal', () => {
  expect(safe('a\u001b]0;title\u0007b\nc\u001b[2J')).toBe('ab c')
})

test('a value of several lines is shown on one, as it would be written', () => {
  expect([plainValue('plain'), plainValue('two\nlines'), plainValue('\u001b[2J')]).toEqual(['plain', '"two\\nlines"', '"\\u001b[2J"'])
})

test.each([
  [null, '–'],
  [1_000_000, '0 s ago'],
  [1_000_000 + 5_000, '0 s ago'],
  [1_000_000 - 59_999, '59 s ago'],
  [1_000_000 - 120_000, '2 m ago'],
])('%s was %s', (at, words) => {
  expect(ago(at, 1_000_000)).toBe(words)
})

test.each([
  [null, 'never'],
  [1_000_000, 'expired'],
  [1_000_000 + 86_400_000 * 90, 'in 90 d'],
  [1_000_000 + 500, 'in 0 s'],
])('a token that ends at %s ends %s', (at, words) => {
  expect(until(at, 1_000_000)).toBe(words)
})
