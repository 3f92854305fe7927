import { expect, test } from 'vitest'
import type { PlannedStep } from '../build-plan.ts'
import { planBuild } from '../plan.ts'

type Texts = Readonly<Record<string, string>>

/** The step that installs the packages of a checkout: the last of its phase. */
function installOf(texts: Texts): PlannedStep | undefined {
  const plan = planBuild({ files: Object.keys(texts).toSorted(), texts, manifest: {} })
  return plan.kind === 'dockerfile' ? undefined : plan.steps.findLast(({ phase }) => phase === 'install')
}

const json = JSON.stringify
const REGISTRY = 'https://registry.npmjs.org'
const MS = { 'node_modules/ms': { version: '2.1.3', resolved: `${REGISTRY}/ms/-/ms-2.1.3.tgz`, integrity: 'sha512-x' } }
const npmLock = (packages: object = MS, root: object = {}): string => json({ lockfileVersion: 3, packages: { '': root, ...packages } })
const withInstall = (name: string, more: object = {}): object => ({
  [`node_modules/${name}`]: { version: '1.0.0', resolved: `${REGISTRY}/${name}/-/${name}-1.0.0.tgz`, hasInstallScript: true, ...more },
})
const npm = (more: Texts = {}, described: object = {}): Texts => ({
  'package.json': json({ scripts: { start: 'node server.js' }, dependencies: { ms: '2.1.3' }, ...described }),
  'package-lock.json': npmLock(),
  'server.js': '',
  ...more,
})
const python = (more: Texts): Texts => ({ Procfile: 'web: python server.py', ...more })
const uvLock = (source: string): string => `[[package]]\nname = "a"\nversion = "1"\nsource = ${source}\nwheels = [{ url = "x" }]\n`
const uv = (source: string, pyproject = '[project]\nname = "x"\n'): Texts => python({ 'pyproject.toml': pyproject, 'uv.lock': uvLock(source) })
const poetry = (source: string, more: Texts = {}): Texts =>
  python({ 'pyproject.toml': '[tool.poetry]\npackage-mode = false\n', 'poetry.lock': `[[package]]\nname = "a"\nversion = "1"\nfiles = []\n${source}`, ...more })
const pip = (text: string, more: Texts = {}): Texts => python({ 'requirements.txt': text, ...more })

test.each<[string, Texts]>([
  ['npm, packages of a registry', npm()],
  ['npm, its registry in .npmrc', npm({ '.npmrc': '@acme:registry=https://npm.example.net\n//npm.example.net/:_authToken=abc\n' })],
  ['npm, a script that never leaves its folder', npm({ 'package-lock.json': npmLock(withInstall('esbuild')) })],
  ['npm, a script of a package of macOS', npm({ 'package-lock.json': npmLock(withInstall('fsevents', { os: ['darwin'] })) })],
  ['uv, packages of an index', uv('{ registry = "https://pypi.org/simple" }')],
  ['uv, the project itself', uv('{ virtual = "." }')],
  ['uv, a commit of git', uv('{ git = "https://github.com/a/a?rev=1#2" }')],
  ['poetry, packages of an index', poetry('')],
  ['pip, exact versions', pip('flask==3.1.0\ngunicorn[gevent]==23.0.0 ; python_version > "3"  # server\n--index-url https://pypi.example.net/simple\n')],
  ['pip, with hashes', pip('ms==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n')],
])('%s: the install is kept', (_title, texts) => {
  expect(installOf(texts)).toHaveProperty('keeps')
})

test.each<[string, Texts]>([
  ['npm, a script of the app', npm({}, { scripts: { start: 'node x', postinstall: 'node make.js' } })],
  ['npm, a script of the app in its lock', npm({ 'package-lock.json': npmLock(MS, { hasInstallScript: true }) })],
  ['npm, a binding.gyp', npm({ 'binding.gyp': '{}' })],
  ['npm, workspaces', npm({}, { workspaces: ['packages/*'] })],
  ['npm, a linked folder', npm({ 'package-lock.json': npmLock({ 'node_modules/c': { resolved: 'libs/c', link: true }, 'libs/c': { version: '1.0.0' } }) })],
  [
    'npm, an archive of the app',
    npm({ 'package-lock.json': npmLock({ 'node_modules/c': { version: '1.0.0', resolved: 'file:libs/c.tgz', integrity: 'x' } }) }),
  ],
  ['npm, a package with a script', npm({ 'package-lock.json': npmLock(withInstall('msw')) })],
  [
    'npm, something else called esbuild',
    npm({ 'package-lock.json': npmLock({ 'node_modules/esbuild': { resolved: 'https://x.test/evil.tgz', hasInstallScript: true } }) }),
  ],
  ['npm, a lock that does not tell of scripts', npm({ 'package-lock.json': json({ lockfileVersion: 1, dependencies: {} }) })],
  ['npm, a package of git, which is built here', npm({ 'package-lock.json': npmLock({ 'node_modules/c': { resolved: 'git+ssh://git@x.test/c.git#1' } }) })],
  ['npm, settings that name a program', npm({ '.npmrc': 'script-shell=./my-shell\n' })],
  ['npm, node_modules in the repository', npm({ 'node_modules/own/index.js': '' })],
  [
    'pnpm, which does not tell of scripts',
    {
      ...npm(),
      'package-lock.json': '',
      'pnpm-lock.yaml': "lockfileVersion: '9.0'\n",
      'package.json': json({ packageManager: 'pnpm@10.1.0', scripts: { start: 'node x' } }),
    },
  ],
  ['yarn, which does not tell of scripts', { 'package.json': json({ scripts: { start: 'node x' } }), 'yarn.lock': '# yarn lockfile v1\n' }],
  ['uv, a folder', uv('{ directory = "libs/a" }')],
  ['uv, an editable folder', uv('{ editable = "libs/a" }')],
  ['uv, a workspace', uv('{ virtual = "packages/a" }')],
  ['uv, a wheel of the app', uv('{ path = "libs/a.whl" }')],
  ['uv, an index that is a folder', uv('{ registry = "wheels" }')],
  ['uv, the project is a package', uv('{ virtual = "." }', '[project]\nname = "x"\n[build-system]\nrequires = []\n')],
  ['uv, the project is said to be a package', uv('{ editable = "." }', '[project]\nname = "x"\n[tool.uv]\npackage = true\n')],
  ['uv, a source that is a folder', uv('{ virtual = "." }', '[project]\nname = "x"\n[tool.uv.sources]\na = { path = "libs/a" }\n')],
  ['uv, a setting that is not known here', uv('{ virtual = "." }', '[project]\nname = "x"\n[tool.uv]\nfind-links = ["wheels"]\n')],
  ['poetry, a folder', poetry('[package.source]\ntype = "directory"\nurl = "libs/a"\n')],
  ['poetry, a wheel of the app', poetry('[package.source]\ntype = "file"\nurl = "libs/a.whl"\n')],
  ['poetry, its settings', poetry('', { 'poetry.toml': '' })],
  ['pip, a folder by name', pip('common @ file:libs/common\n')],
  ['pip, a folder', pip('libs/common\n')],
  ['pip, a folder with a dot', pip('./libs/common\n')],
  ['pip, the app itself', pip('-e .\n')],
  ['pip, a wheel of the app', pip('common.whl\n')],
  ['pip, another file', pip('flask==3.1.0\n-r more.txt\n', { 'more.txt': '' })],
  ['pip, constraints', pip('-c constraints.txt\nflask==3.1.0\n')],
  ['pip, a version that may be another tomorrow', pip('flask>=3\n')],
  ['pip, a folder on a continued line', pip('flask==3.1.0 \\\n  ; python_version > "3"\n\\\n./libs/common\n')],
  ['pip, wheels of the app', pip('--find-links wheels\nflask==3.1.0\n')],
])('%s: the install runs in every build', (_title, texts) => {
  expect(installOf(texts)).toBeDefined()
  expect(installOf(texts)).not.toHaveProperty('keeps')
})

test.each<[string, Texts]>([
  ['npm', npm({ 'package-lock.json': npmLock({ 'node_modules/c': { resolved: 'file:libs/c.tgz', integrity: 'x' } }) })],
  ['yarn', { 'package.json': json({ scripts: { start: 'node x' } }), 'yarn.lock': '# yarn lockfile v1\n\n"common@./libs/common":\n  version "1.0.0"\n' }],
  ['yarn berry', { 'package.json': json({ scripts: { start: 'node x' } }), 'yarn.lock': '__metadata:\n  version: 8\n\n"c@file:./libs/c::locator=x":\n' }],
  [
    'pnpm',
    {
      'package.json': json({ scripts: { start: 'node x' } }),
      'pnpm-lock.yaml': "lockfileVersion: '9.0'\npackages:\n  c@file:libs/c.tgz:\n    resolution: {integrity: x, tarball: file:libs/c.tgz}\n",
    },
  ],
])('%s copies files of the app: its own cache is not shared with other builds', (_title, texts) => {
  expect(Object.values(installOf(texts)?.env ?? {}).some((value) => value.startsWith('/app/.lockgate/cache/'))).toBe(true)
  expect(Object.values(installOf(texts)?.env ?? {}).some((value) => value.startsWith('/cache/'))).toBe(false)
})

test('tools that know folders only by their times or names are told to look again', () => {
  expect(installOf(uv('{ directory = "libs/a" }'))?.run).toContain('--refresh-package=a')
  expect(installOf(pip('libs/my-common\n', { 'libs/my-common/setup.py': '' }))?.run).toContain('--no-cache-dir')
  expect(installOf(pip('-r more.txt\n', { 'more.txt': '' }))?.run).not.toContain('--no-cache-dir')
  expect(installOf(pip('flask>=3\n'))?.run).not.toContain('--no-cache-dir')
})

test('npm takes the shrinkwrap where both lock files are there, and so does the key', () => {
  const texts = npm({ 'npm-shrinkwrap.json': npmLock() })

  expect(installOf(texts)?.keeps?.inputs).toContain('npm-shrinkwrap.json')
})
