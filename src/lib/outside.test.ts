import { expect, test } from 'vitest'
import { isInside, networks, outsideAddress } from './outside.ts'

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '169.254.169.254',
  '192.168.1.1',
  '172.20.0.1',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  'fe80::1',
  'fd00::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::10.0.0.1',
  '2002:7f00:1::',
  '::7f00:1',
  '0:0:0:0:0:ffff:7f00:1',
  '0064:ff9b::7f00:1',
  '2001:0000:4136:e378::1',
  '2001::1',
])('%s is inside', (address) => {
  expect(isInside(address)).toBe(true)
})

test.each(['93.184.216.34', '203.0.113.80', '2606:2800:220:1::1', '8.8.8.8', '::ffff:8.8.8.8', '2001:4860:4860::8888'])('%s is outside', (address) => {
  expect(isInside(address)).toBe(false)
})

test.each(['localhost', '127.0.0.1', '[::1]', '0x7f000001', '2130706433', '127.1'])('the host %s is refused, however it is written', async (host) => {
  await expect(outsideAddress(host, networks([]))).rejects.toMatchObject({ code: expect.stringMatching(/^address\.(not_allowed|unknown)$/) })
})

test('a network that was allowed may be reached', async () => {
  expect(await outsideAddress('127.0.0.1', networks(['127.0.0.0/8']))).toBe('127.0.0.1')
})

test('what is no network is refused', () => {
  expect(() => networks(['10.0.0.0/33'])).toThrow(/is not a network/)
  expect(() => networks(['inside'])).toThrow(/is not a network/)
})
