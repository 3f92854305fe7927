import { expect, test } from 'vitest'
import { distributionSources, downloadOptions, mirrored, suiteSources } from './apt-sources.ts'

test('the distribution is found in both forms, with its mirror and key; other repositories stay out', () => {
  const files = {
    '/etc/apt/sources.list':
      '# deb http://old bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example.net/debian bookworm-updates main contrib # near\ndeb-src http://mirror bookworm main\n',
    '/etc/apt/sources.list.d/debian.sources':
      'Types: deb\n# a comment\nURIs: http://mirror.example.net/debian\nSuites: bookworm bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian.gpg\n\nTypes: deb\nURIs: http://off.example.net\nSuites: bookworm\nComponents: main\nEnabled: no\n',
    '/etc/apt/sources.list.d/docker.list': 'deb [signed-by=/d.gpg] https://download.example.net/linux/debian bookworm stable\n',
    '/etc/apt/sources.list.d/node.sources': 'Types: deb\nURIs: https://deb.example.net/node\nSuites: nodistro\nComponents: main\n',
  }

  expect(distributionSources(files, 'bookworm')).toEqual([
    'deb [signed-by=/k.gpg] http://mirror.example.net/debian bookworm-updates main',
    'deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example.net/debian bookworm main',
  ])
})

test('a key that stands in the file itself is left to the keys apt trusts', () => {
  const text = 'Types: deb\nURIs: http://m\nSuites: noble\nComponents: main universe\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n'

  expect(distributionSources({ 'a.sources': text }, 'noble')).toEqual(['deb http://m noble main universe'])
})

test('proxies, certificates and clocks of apt are taken, hooks are not', () => {
  const dump =
    'Acquire::http::Proxy "http://proxy:3128";\nAcquire::https::CAInfo "/ca.crt";\nAcquire::Check-Valid-Until "false";\nDPkg::Post-Invoke:: "rm x";\nAcquire::http "";\n'

  expect(downloadOptions(dump)).toEqual([
    'Acquire::http::Proxy "http://proxy:3128";',
    'Acquire::https::CAInfo "/ca.crt";',
    'Acquire::Check-Valid-Until "false";',
  ])
})

test('another suite of Debian comes from the mirrors of the host, on other distributions from the archive', () => {
  const lines = ['deb [signed-by=/k.gpg] http://mirror/debian bookworm main', 'deb http://mirror/debian-security bookworm-security main']

  expect(suiteSources(lines, 'bookworm', 'bookworm')).toEqual(lines)
  expect(suiteSources(lines, 'bookworm', 'trixie')).toEqual([
    'deb [signed-by=/k.gpg] http://mirror/debian trixie main',
    'deb http://mirror/debian-security trixie-security main',
  ])
  expect(suiteSources(['deb http://archive.ubuntu.com/ubuntu noble main'], 'noble', 'trixie')[0]).toMatch(/ http:\/\/deb\.debian\.org\/debian trixie main$/)
})

test('a mirror that is set takes the place of the archive, and of its security fixes', () => {
  const lines = ['deb [signed-by=/k.gpg] http://deb.debian.org/debian trixie main', 'deb http://deb.debian.org/debian-security trixie-security main']

  expect(mirrored(lines, 'https://m.example.net/debian/')).toEqual([
    'deb [signed-by=/k.gpg] https://m.example.net/debian trixie main',
    'deb https://m.example.net/debian-security trixie-security main',
  ])
})
