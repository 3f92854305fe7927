import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isRefName, isShortRefName } from './ref-name.ts'
import { run } from './run.ts'

const PARTS = [
  'main',
  '@acme/web@1.4.0',
  'web@1.2.0',
  'fix/#42',
  'feat(api)',
  'feature/ünï',
  "it's",
  'a"b',
  'a;b',
  '$(x)',
  '`x`',
  'a|b&c',
  '<b>',
  'a%20b',
  '@',
  '日本',
  '🚀',
  'a\u200bb',
  'a\u2028b',
  'a\u009bb',
  '-x',
  'x-',
  '+x',
  '_',
  '0',
  'HEAD',
  'a=b',
  'a,b',
  '!',
  '{}',
  '}',
  'a@b{c',
]
const NOT_ALLOWED = [
  '',
  '.',
  '..',
  '.x',
  'x.',
  'a..b',
  'a/.b',
  'a//b',
  '/a',
  'a/',
  'a b',
  'a~b',
  'a^b',
  'a:b',
  'a?b',
  'a*b',
  'a[b',
  'a\\b',
  'a@{b',
  'a.lock',
  'a.lock/b',
  'a\u0001b',
  'a\u007fb',
  'a\tb',
  'a\nb',
]

test('names are those that git itself allows', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-refs-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const name of [...PARTS, ...NOT_ALLOWED]) {
    const { status } = await run('git', ['check-ref-format', `refs/tags/${name}`], { cwd: folder, anyStatus: true })
    expect([name, isRefName(`refs/tags/${name}`)]).toEqual([name, status === 0])
  }
})

test('bytes that are no text, options and endless names are none', () => {
  expect(isRefName('refs/heads/a\ufffdb')).toBe(false)
  expect(isRefName(`refs/heads/${'x'.repeat(2000)}`)).toBe(false)
  expect(isRefName('main')).toBe(false)
  expect(isShortRefName('--upload-pack=x')).toBe(false)
  expect(isShortRefName('feat(api)')).toBe(true)
})
