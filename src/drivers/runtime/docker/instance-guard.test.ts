import { expect, test } from 'vitest'
import { parseRoutes } from '../../../lib/host-routes.ts'
import { guardRules } from './instance-guard.ts'

test('instances do not reach link-local addresses, neither through this machine nor on it', () => {
  const rules = guardRules('k3v9ab', '10.210.0.0/16')

  expect(rules.match(/ip saddr 10\.210\.0\.0\/16 ip daddr 169\.254\.0\.0\/16 counter reject/g)).toHaveLength(2)
  expect(rules).toContain('hook forward')
  expect(rules).toContain('hook input')
})

test('the route that keeps the range inside is not taken for a network of somebody else', () => {
  const text =
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n*\t0000D20A\t00000000\t0200\t0\t0\t0\t0000FFFF\neth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\n'
  expect(parseRoutes(text)).toEqual([{ first: 0xc0a80000, prefix: 16 }])
})
