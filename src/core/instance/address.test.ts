import { expect, test } from 'vitest'
import { anEnvironment, anInstance } from '../../../test/support/builders.ts'
import { parseRange } from '../../lib/ipv4.ts'
import { freeAddress, rangeOf, subnetOf } from './address.ts'

const RANGE = parseRange('10.210.0.0/16')
const at = (confirmedGeneration: number, foreign: readonly string[] = []) => ({ confirmedGeneration, foreign })
const OWN = rangeOf(anEnvironment({ subnet: 5 }), RANGE)

test('each environment has a network of its own, and the gateway is its first address', () => {
  expect(subnetOf(anEnvironment({ subnet: 0 }), RANGE)).toMatchObject({ cidr: '10.210.0.0/26', gateway: '10.210.0.1' })
  expect(subnetOf(anEnvironment({ subnet: 5 }), RANGE)).toMatchObject({ cidr: '10.210.1.64/26', gateway: '10.210.1.65' })
  expect(() => subnetOf(anEnvironment({ subnet: 1024 }), RANGE)).toThrow(expect.objectContaining({ code: 'address.exhausted' }))
})

test('the first address keeps its distance to the gateway', () => {
  expect(freeAddress(OWN, [], at(1))).toBe('10.210.1.67')
})

test('an address in use is not given', () => {
  expect(freeAddress(OWN, [anInstance({ address: '10.210.1.67' })], at(1))).toBe('10.210.1.68')
})

test('an address that an edge may still name is not given, and later it is', () => {
  const known = Array.from({ length: 52 }, (_, at) => anInstance({ address: `10.210.1.${67 + at}`, removedAt: 100, removedGeneration: 7 }))
  expect(() => freeAddress(OWN, known, at(6))).toThrow(expect.objectContaining({ code: 'address.none_free', retryable: true }))
  expect(freeAddress(OWN, known, at(7))).toBe('10.210.1.67')
})

test('of those that are free the one longest unused comes first', () => {
  const gone = (last: number, removedAt: number) => anInstance({ address: `10.210.1.${last}`, removedAt, removedGeneration: 1 })
  const rest = Array.from({ length: 50 }, (_, at) => anInstance({ address: `10.210.1.${69 + at}` }))
  expect(freeAddress(OWN, [gone(67, 300), gone(68, 200), ...rest], at(1))).toBe('10.210.1.68')
  expect(freeAddress(OWN, [gone(67, 300), gone(68, 200), gone(68, 400), ...rest], at(1))).toBe('10.210.1.67')
})

test('an address that something else has is not given', () => {
  expect(freeAddress(OWN, [], at(1, ['10.210.1.67', '10.210.1.68']))).toBe('10.210.1.69')
})
