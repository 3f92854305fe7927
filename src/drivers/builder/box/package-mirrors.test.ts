import { expect, test } from 'vitest'
import { PackageMirrors, packageEnv, packageFiles } from './package-mirrors.ts'

test('every client of a registry is told of its mirror in its own words', () => {
  const mirrors = PackageMirrors.parse({
    npm: 'https://npm.example.net/',
    pypi: 'https://py.example.net/simple',
    go: 'https://go.example.net',
    composer: 'https://php.example.net',
  })

  expect(packageEnv(mirrors, { npm_config_registry: 'https://host.example.net/', HTTPS_PROXY: 'http://proxy:3128' })).toEqual({
    HTTPS_PROXY: 'http://proxy:3128',
    npm_config_registry: 'https://npm.example.net/',
    YARN_REGISTRY: 'https://npm.example.net/',
    YARN_NPM_REGISTRY_SERVER: 'https://npm.example.net',
    PIP_INDEX_URL: 'https://py.example.net/simple',
    GOPROXY: 'https://go.example.net',
    COMPOSER_HOME: '/etc/lockgate/composer',
  })
  expect(packageFiles(mirrors)).toEqual([
    {
      name: 'etc/lockgate/composer/config.json',
      text: '{"repositories":{"mirror":{"type":"composer","url":"https://php.example.net"},"packagist.org":false}}',
    },
  ])
})

test('without mirrors the settings of the host are what is used', () => {
  expect(packageEnv({}, {})).toEqual({})
  expect(packageFiles({})).toEqual([])
  expect(packageEnv({}, { npm_config_registry: 'https://host.example.net/' })).toMatchObject({ YARN_REGISTRY: 'https://host.example.net/' })
})

test('a mirror with a password is refused, because every build could read it', () => {
  expect(PackageMirrors.safeParse({ npm: 'https://ada:geheim@npm.example.net/' }).success).toEqual(false)
})
