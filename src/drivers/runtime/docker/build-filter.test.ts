import { expect, test } from 'vitest'
import { buildInterface, filterRules, privateResolvers } from './build-filter.ts'

test('the name of the bridge fits an interface, and is another one for each installation', () => {
  const names = ['k3v9ab', 'a'.repeat(16), `${'a'.repeat(15)}b`].map(buildInterface)

  expect(names[0]).toEqual('lgbk3v9ab')
  expect(new Set(names).size).toEqual(3)
  expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(15)
})

test('a resolver is let through when the rules would forbid it, one of this host itself is asked by the engine', () => {
  expect(privateResolvers('search x\nnameserver 10.0.0.2\nnameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver fe80::1\n')).toEqual(['10.0.0.2'])
})

test('allowed networks come before what is denied, and mail is denied there too', () => {
  const rules = filterRules('k3v9ab', { resolvers: [], networks: ['10.1.2.0/24'] })

  expect(rules.indexOf('tcp dport 25 counter drop')).toBeLessThan(rules.indexOf('ip daddr { 10.1.2.0/24 } accept'))
  expect(rules.indexOf('ip daddr { 10.1.2.0/24 } accept')).toBeLessThan(rules.indexOf('0.0.0.0/8'))
  expect(rules).not.toContain('dport 53')
})
