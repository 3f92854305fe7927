import { expect, test } from 'vitest'
import { newId, randomWord } from './ids.ts'

test('an id says what it names and spells no word', () => {
  expect(newId('d')).toMatch(/^d-[23456789bcdfghjkmnpqrstvwxz]{10}$/)
})

test('a thousand ids are a thousand', () => {
  expect(new Set(Array.from({ length: 1000 }, () => newId('x'))).size).toBe(1000)
})

test('words have the length that was asked for, and every character comes about as often', () => {
  const counts = new Map<string, number>()
  for (const character of randomWord(54_000)) counts.set(character, (counts.get(character) ?? 0) + 1)
  expect([randomWord(0), randomWord(1).length, counts.size]).toEqual(['', 1, 27])
  expect(Math.min(...counts.values())).toBeGreaterThan(1_700)
  expect(Math.max(...counts.values())).toBeLessThan(2_300)
})
