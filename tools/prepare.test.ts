import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { run } from '../src/lib/run.ts'
import { ROOT } from './setup/places.ts'

let folder: string
let tarball: Buffer
let registry: Server
let url: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockgate-prepare-'))
  await mkdir(join(folder, 'package'))
  await writeFile(join(folder, 'package/index.js'), 'genuine\n')
  await run('tar', ['-czf', join(folder, 'small.tgz'), '-C', folder, 'package'])
  tarball = await readFile(join(folder, 'small.tgz'))
  await cp(join(ROOT, 'bin/prepare'), join(folder, 'bin/prepare'), { recursive: true })
  registry = createServer((request, response) => {
    if (request.url === '/small/-/small-1.2.3.tgz') return void response.end(tarball)
    response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`
})

beforeEach(async () => {
  await rm(join(folder, 'out'), { recursive: true, force: true })
  await lock(`sha512-${createHash('sha512').update(tarball).digest('base64')}`)
})

afterAll(async () => {
  registry.close()
  await rm(folder, { recursive: true, force: true })
})

function lock(integrity: string, version = '1.2.3'): Promise<void> {
  const packages = {
    '': { version: '0.1.0', dependencies: { small: version } },
    'node_modules/other': { version: '9.9.9', integrity: 'sha512-b3RoZXI=' },
    'node_modules/small': { version, integrity, bin: { small: 'index.js' } },
    'node_modules/small/node_modules/deep': { version: '0.0.1', integrity: 'sha512-ZGVlcA==' },
  }
  return writeFile(join(folder, 'package-lock.json'), JSON.stringify({ name: 'one', lockfileVersion: 3, packages }, null, 2))
}

function prepare(words: string, env: Readonly<Record<string, string>> = { npm_config_registry: url }) {
  return run('bash', ['-c', `set -euo pipefail; . bin/prepare; ${words}`], { cwd: folder, env: { HOME: folder, ...env }, anyStatus: true })
}

test('a package is fetched from the registry in the version of the lock file, and unpacked', async () => {
  const { status, stderr } = await prepare('fetch_package small out')

  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(await readFile(join(folder, 'out/small/index.js'), 'utf8')).toBe('genuine\n')
})

test('a package that is not what the lock file names is refused and not unpacked', async () => {
  await lock(`sha512-${createHash('sha512').update('another package').digest('base64')}`)

  const { status, stderr } = await prepare('fetch_package small out')

  expect(status).toBe(1)
  expect(stderr).toContain('is not what package-lock.json names')
  await expect(readFile(join(folder, 'out/small/index.js'))).rejects.toThrow('ENOENT')
})

test.for([
  ['a weaker integrity', 'fetch_package small out', 'sha1-AAAA', 'has no sha512 of small'],
  ['no integrity', 'fetch_package small out', undefined, 'has no version and integrity of small'],
  ['a package that is not in it', 'fetch_package nothing out', 'sha512-AAAA', 'has no version and integrity of nothing'],
] as const)('a lock file with %s is refused', async ([, words, integrity, says]) => {
  await lock(integrity as string)

  const { status, stderr } = await prepare(words)

  expect(status).toBe(1)
  expect(stderr).toContain(says)
})

test('a package that the registry does not have names the address that was asked', async () => {
  await lock('sha512-AAAA', '1.2.4')

  const { status, stderr } = await prepare('fetch_package small out; echo went on')

  expect(status).toBe(1)
  expect(stderr).toContain(`small could not be fetched from ${url}small/-/small-1.2.4.tgz`)
})

test('the registry is that of the environment, of this folder, of the user', async () => {
  await writeFile(join(folder, '.npmrc'), '; a comment\nregistry = "https://folder.example.net/npm/"\n@scope:registry=https://scope.example.net\n')

  expect((await prepare('npm_setting registry')).stdout).toBe(`${url}\n`)
  expect((await prepare('npm_setting registry', { NPM_CONFIG_REGISTRY: 'https://loud.example.net' })).stdout).toBe('https://loud.example.net\n')
  expect((await prepare('npm_setting registry', {})).stdout).toBe('https://folder.example.net/npm/\n')
})

test('of several programs that prepare one folder at once only one is at work', async () => {
  // Who is not alone finds the folder of another.
  const work = 'work() { mkdir busy && ls -R . >/dev/null && rmdir busy; }; alone work'

  const ended = await Promise.all(Array.from({ length: 8 }, () => prepare(work)))

  expect(ended.map(({ status, stderr }) => [status, stderr])).toEqual(ended.map(() => [0, '']))
})

test('a program that fails while it is alone ends what called it', async () => {
  const { status, stdout } = await prepare('work() { false; echo on; }; alone work; echo after')

  expect([status, stdout]).toEqual([1, ''])
})
