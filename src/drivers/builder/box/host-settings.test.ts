import { expect, test } from 'vitest'
import { chooseSettings } from './host-settings.ts'

test('registries of npmrc files and the proxies of the environment are used in builds', () => {
  const npmrc = 'registry=https://npm.example.net/\n@corp:registry = "https://corp.example.net/npm"\nfund=false\n'

  const { env, notes } = chooseSettings({ HTTPS_PROXY: 'http://proxy.example.net:3128', NO_PROXY: 'localhost,.example.net', HOME: '/root' }, [npmrc])

  expect(env).toEqual({
    npm_config_registry: 'https://npm.example.net/',
    'npm_config_@corp:registry': 'https://corp.example.net/npm',
    HTTPS_PROXY: 'http://proxy.example.net:3128',
    NO_PROXY: 'localhost,.example.net',
  })
  expect(notes).toEqual([])
})

test('the environment wins over npmrc files, and a later file over an earlier one', () => {
  const files = ['registry=https://a.example.net/', 'registry=https://b.example.net/']

  expect(chooseSettings({}, files).env['npm_config_registry']).toEqual('https://b.example.net/')
  expect(chooseSettings({ NPM_CONFIG_REGISTRY: 'https://c.example.net/' }, files).env).toEqual({ npm_config_registry: 'https://c.example.net/' })
})

test('tokens and passwords never get into a build', () => {
  const npmrc = '//npm.example.net/:_authToken=npm_secret\n_auth=abc\nregistry=https://ada:geheim@npm.example.net/\n'

  const { env, notes } = chooseSettings({ http_proxy: 'http://ada:geheim@proxy:3128' }, [npmrc])

  expect(env).toEqual({})
  expect(notes.join(' ')).toContain('holds a user name or a password')
  expect(notes.join(' ')).not.toContain('geheim')
})

test('a proxy on the host itself is left out, because a box does not reach it', () => {
  expect(chooseSettings({ https_proxy: 'http://127.0.0.1:3128' }, []).env).toEqual({})
})
