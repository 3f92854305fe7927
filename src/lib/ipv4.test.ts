import { expect, test } from 'vitest'
import { block, formatAddress, formatRange, overlaps, parseAddress, parseRange, size } from './ipv4.ts'

test.each(['0.0.0.0/0', '10.210.0.0/16', '10.210.3.64/26', '255.255.255.255/32'])('%s is the same read and written', (text) => {
  expect(formatRange(parseRange(text))).toBe(text)
})

test.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0.1/24', '10.0.0/24', '10.0.0.256/32', '10.0.0.0/8x', '::1/64', '10.0..0/8'])('%j is no range', (text) => {
  expect(() => parseRange(text)).toThrow(expect.objectContaining({ code: 'address.invalid' }))
})

test('addresses count like numbers', () => {
  expect(formatAddress(parseAddress('10.210.0.255') + 1)).toBe('10.210.1.0')
  expect(formatAddress(parseAddress('255.255.255.255'))).toBe('255.255.255.255')
})

test('ranges meet when they have an address in common', () => {
  const range = parseRange('10.210.0.0/16')
  expect(['10.210.255.0/24', '10.0.0.0/8', '10.211.0.0/16', '10.209.255.0/24'].map((text) => overlaps(range, parseRange(text)))).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('a range is cut into blocks, and no further than it reaches', () => {
  const range = parseRange('10.210.0.0/24')
  expect([0, 1, 3].map((index) => formatRange(block(range, 26, index)))).toEqual(['10.210.0.0/26', '10.210.0.64/26', '10.210.0.192/26'])
  expect(size(block(range, 26, 0))).toBe(64)
  expect(() => block(range, 26, 4)).toThrow(expect.objectContaining({ code: 'address.exhausted' }))
})
