import { expect, test } from 'vitest'
import { userOf } from './project.ts'

test('each project has a user of its own, always the same, above those of Dockerfile builds and below the end of signed numbers', () => {
  const users = Array.from({ length: 200 }, (_, number) => userOf(`p-${number}`))

  expect(new Set(users).size).toEqual(users.length)
  expect(users).toEqual(Array.from({ length: 200 }, (_, number) => userOf(`p-${number}`)))
  expect(Math.min(...users)).toBeGreaterThan(1_700_000)
  expect(Math.max(...users)).toBeLessThan(2 ** 31)
})
