import { expect, test } from 'vitest'
import { readRemoteUrl, resolveRemoteUrl } from './url.ts'

test.each([
  ['https://code.example.net/team/shop.git', 'https://code.example.net/team/shop.git'],
  ['https://Code.Example.net:443//team/shop.git', 'https://code.example.net/team/shop.git'],
  ['https://code.example.net:8443/~ada/shop', 'https://code.example.net:8443/~ada/shop'],
  ['ssh://code.example.net/team/shop.git', 'ssh://git@code.example.net/team/shop.git'],
  ['ssh://ada@code.example.net:29418/shop', 'ssh://ada@code.example.net:29418/shop'],
  ['git@code.example.net:team/shop.git', 'ssh://git@code.example.net/team/shop.git'],
  ['code.example.net:/srv/shop.git', 'ssh://git@code.example.net/srv/shop.git'],
  ['https://[2001:DB8::1]/shop.git', 'https://[2001:db8::1]/shop.git'],
])('%s is read as %s', (given, text) => {
  expect(readRemoteUrl(given).text).toBe(text)
})

test.each([
  'ext::sh -c touch% /tmp/x',
  'ext::sh',
  'file:///etc/passwd',
  '/etc/passwd',
  '../shop.git',
  '-oProxyCommand=x',
  'ssh://-oProxyCommand=x/shop',
  '-oProxyCommand=x:shop',
  'ssh://git@-host/shop',
  'ssh://-x@host/shop',
  'git://code.example.net/shop.git',
  'ftp://code.example.net/shop.git',
  'http://code.example.net/shop.git',
  'https://code.example.net/',
  'git@code.example.net:../../etc',
  'git@code.example.net:-x',
  'https://code.example.net/shop.git?token=1',
  'https://code.example.net/shop.git#main',
  'https://code.example.net/shop\n.git',
  'https://code.example.net\\@other/shop.git',
  `https://code.example.net/${'a'.repeat(1_000)}`,
])('%j is refused', (text) => {
  expect(() => readRemoteUrl(text)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^source\.url_refused$/) }))
})

test('http is for who allows it', () => {
  expect(readRemoteUrl('http://code.example.net/shop.git', true)).toMatchObject({ protocol: 'http', port: 80 })
})

test.each([
  'https://ada:s3cret@code.example.net/shop',
  'https://ada:s3@cret@code.example.net/shop',
  'https://ada:s3/s3cret@code.example.net/shop',
  'http://s3cret@host/x',
])('the password of %s does not stand in the refusal', (text) => {
  expect(() => readRemoteUrl(text, true)).toThrow(expect.objectContaining({ message: expect.not.stringMatching(/cret/) }))
})

test.each([
  ['../lib.git', 'https://code.example.net/team/lib.git'],
  ['./lib.git', 'https://code.example.net/team/shop.git/lib.git'],
  ['../../other/lib.git', 'https://code.example.net/other/lib.git'],
])('a submodule at %s is at %s', (relative, text) => {
  expect(resolveRemoteUrl(readRemoteUrl('https://code.example.net/team/shop.git'), relative).text).toBe(text)
})

test('a submodule above the host is refused', () => {
  expect(() => resolveRemoteUrl(readRemoteUrl('https://code.example.net/team/shop.git'), '../../../lib.git')).toThrow('above the host')
})
