import { expect, test } from 'vitest'
import { type NameReason, proofNames, reservedBecause, rivalOf } from './ownership.ts'
import type { Domain, HostName } from './route.ts'

const FACTS = { appsDomain: 'apps.example.net', consoleHosts: ['10.0.0.5', 'lockgate.example.org', 'vm'] }

test.each<readonly [string, NameReason | null]>([
  ['shop.example.com', null],
  ['example.com', null],
  ['*.shop.example.com', null],
  ['*.example.com', null],
  ['example.co.uk', null],
  ['xn--bcher-kva.example', null],
  ['apps.example.net', 'generated'],
  ['future.apps.example.net', 'generated'],
  ['deep.er.apps.example.net', 'generated'],
  ['*.apps.example.net', 'generated'],
  ['*.x.apps.example.net', 'generated'],
  ['notapps.example.net', null],
  ['127.0.0.1', 'address'],
  ['10.0.0.5', 'address'],
  ['127.1', 'address'],
  ['2130706433', 'address'],
  ['0x7f000001', 'address'],
  ['shop.0x1', 'address'],
  ['*.0.0.1', 'address'],
  ['localhost', 'single_label'],
  ['com', 'single_label'],
  ['*.com', 'wide_wildcard'],
  ['*.localhost', 'wide_wildcard'],
  ['co.uk', 'bare_suffix'],
  ['*.co.uk', 'bare_suffix'],
  ['github.io', 'bare_suffix'],
  ['*.github.io', 'bare_suffix'],
  ['shop.github.io', null],
  ['lockgate.example.org', 'console'],
  ['*.example.org', 'console'],
  ['vm', 'console'],
])('%s is reserved because %s', (host, reason) => {
  expect(reservedBecause(host as HostName, FACTS)).toBe(reason)
})

function claim(host: string, projectId: string): Domain {
  return { host: host as HostName, path: '/' as Domain['path'], environmentId: 'e', projectId, kind: 'own', createdAt: 0 }
}

test.each<readonly [string, string, boolean]>([
  ['shop.example.com', 'shop.example.com', true],
  ['shop.example.com', '*.example.com', true],
  ['*.example.com', 'shop.example.com', true],
  ['*.example.com', '*.example.com', true],
  ['*.example.com', 'a.shop.example.com', false],
  ['example.com', '*.example.com', false],
  ['shop.example.com', 'shop.example.org', false],
  ['shop.example.com', 'xshop.example.com', false],
])('%s and %s of two projects overlap: %s', (host, other, overlap) => {
  expect(rivalOf(host as HostName, 'p-1', [claim(other, 'p-2')]) !== null).toBe(overlap)
  expect(rivalOf(host as HostName, 'p-1', [claim(other, 'p-1')]), 'within one project nothing is a rival').toBeNull()
})

test('a TXT record proves a name at the name itself or above it, up to the registered domain', () => {
  expect(proofNames('*.a.shop.example.co.uk' as HostName)).toEqual([
    '_lockgate.a.shop.example.co.uk',
    '_lockgate.shop.example.co.uk',
    '_lockgate.example.co.uk',
  ])
  expect(proofNames('shop.github.io' as HostName)).toEqual(['_lockgate.shop.github.io'])
})
