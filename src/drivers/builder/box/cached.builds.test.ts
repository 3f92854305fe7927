// A build that finds what earlier ones kept makes the same files as one that finds nothing: shapes of apps (a package
// manager and how a package of the app itself takes part) times what changed since, compared file by file.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuilderRig, type Built } from '../../../../test/support/builder-rig.ts'
import { randomWord } from '../../../lib/ids.ts'

const MAKING_MS = 400_000
/** What tools write with the time of day, and what they compile of a source that is compared itself. */
const DIFFERS_ANYWAY =
  /__pycache__|\.pyc$|\.dist-info\/(RECORD|uv_cache\.json)$|\/node_modules\/\.(modules\.yaml|pnpm-workspace-state.*\.json|yarn-integrity|yarn-state\.yml)$/

let rig: BuilderRig
beforeAll(async () => {
  rig = await BuilderRig.open()
})
afterAll(async () => rig.close())

type Files = Readonly<Record<string, string>>
interface Shape {
  readonly files: Files
  /** The file of the app's own package that is changed. */
  readonly part: string
  readonly manifest?: NonNullable<Parameters<BuilderRig['build']>[1]>['manifest']
}

const json = JSON.stringify
const SERVER = 'require("http").createServer((_, response) => response.end(require("common"))).listen(process.env.PORT)\n'
const NODE_PART: Files = {
  'libs/common/index.js': "module.exports = 'v1'\n",
  'libs/common/package.json': '{"name":"common","version":"1.0.0","main":"index.js"}',
}
const INTEGRITY = 'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=='
const MS = { version: '2.1.3', resolved: 'https://registry.npmjs.org/ms/-/ms-2.1.3.tgz', integrity: INTEGRITY }
const npmShop = (root: object, packages: object, more: Files = {}): Files => ({
  'package.json': json({ name: 'shop', version: '1.0.0', private: true, scripts: { start: 'node server.js' }, ...root }),
  'package-lock.json': json({
    name: 'shop',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: { '': { name: 'shop', version: '1.0.0', ...root }, ...packages },
  }),
  'server.js': SERVER,
  ...more,
})
const LINKED = { 'libs/common': { name: 'common', version: '1.0.0' }, 'node_modules/common': { resolved: 'libs/common', link: true } }
const LINKED_WITH_SCRIPT = { ...LINKED, 'libs/common': { name: 'common', version: '1.0.0', hasInstallScript: true } }
const POSTINSTALL = 'require("fs").writeFileSync(require("path").join(process.env.INIT_CWD, "made.txt"), require("./index.js") + (process.env.API_URL || ""))\n'
const PYTHON =
  "import os\nfrom http.server import HTTPServer, BaseHTTPRequestHandler\nHTTPServer(('', int(os.environ['PORT'])), BaseHTTPRequestHandler).serve_forever()\n"
const PROJECT =
  '[project]\nname = "common"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n\n[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
const pythonShop = (at: string, more: Files): Files => ({
  Procfile: 'web: python server.py',
  'server.py': PYTHON,
  [`${at}/pyproject.toml`]: PROJECT,
  [`${at}/src/common/__init__.py`]: "TEXT = 'v1'\n",
  ...more,
})
const uvLock = (source: string, root: string): string =>
  `version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n${root}[[package]]\nname = "common"\nversion = "0.1.0"\nsource = ${source}\n\n[[package]]\nname = "shop"\nversion = "0.1.0"\nsource = { virtual = "." }\ndependencies = [\n    { name = "common" },\n]\n\n[package.metadata]\nrequires-dist = [{ name = "common", ${source.slice(2)}]\n`
const uvShop = (source: string, asked: string, root = ''): Files =>
  pythonShop('libs/common', {
    'pyproject.toml': `[project]\nname = "shop"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = ["common"]\n\n[tool.uv.sources]\ncommon = ${asked}\n`,
    'uv.lock': uvLock(source, root),
  })

const SHAPES: Readonly<Record<string, Shape>> = {
  'npm, a registry': {
    files: npmShop({ dependencies: { ms: '2.1.3' } }, { 'node_modules/ms': MS }, { 'lib.js': '// v1\n' }),
    part: 'lib.js',
  },
  'npm, file:': { files: npmShop({ dependencies: { common: 'file:libs/common' } }, LINKED, NODE_PART), part: 'libs/common/index.js' },
  'npm, workspaces': { files: npmShop({ workspaces: ['libs/*'] }, LINKED, NODE_PART), part: 'libs/common/index.js' },
  'npm, a script of a workspace': {
    files: npmShop({ workspaces: ['libs/*'] }, LINKED_WITH_SCRIPT, {
      ...NODE_PART,
      'libs/common/package.json': json({ name: 'common', version: '1.0.0', scripts: { postinstall: 'node make.js' } }),
      'libs/common/make.js': POSTINSTALL,
    }),
    part: 'libs/common/index.js',
  },
  'npm, a script of the app': {
    files: npmShop(
      { scripts: { start: 'node server.js', postinstall: 'node make.js' } },
      {},
      { 'index.js': "module.exports = 'v1'\n", 'make.js': POSTINSTALL },
    ),
    part: 'index.js',
  },
  'npm, install-links': {
    files: npmShop(
      { dependencies: { common: 'file:libs/common' } },
      { 'node_modules/common': { version: '1.0.0', resolved: 'file:libs/common' } },
      { ...NODE_PART, '.npmrc': 'install-links=true\n' },
    ),
    part: 'libs/common/index.js',
  },
  'pnpm, workspace': {
    files: {
      ...NODE_PART,
      'package.json': json({ name: 'root', private: true, scripts: { start: 'node web/server.js' } }),
      'pnpm-workspace.yaml': 'packages:\n  - libs/*\n  - web\n',
      'pnpm-lock.yaml': `lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  libs/common: {}\n\n  web:\n    dependencies:\n      common:\n        specifier: workspace:*\n        version: link:../libs/common\n      ms:\n        specifier: 2.1.3\n        version: 2.1.3\n\npackages:\n\n  ms@2.1.3:\n    resolution: {integrity: ${INTEGRITY}}\n\nsnapshots:\n\n  ms@2.1.3: {}\n`,
      'web/package.json': json({ name: 'web', version: '1.0.0', dependencies: { common: 'workspace:*', ms: '2.1.3' } }),
      'web/server.js': SERVER,
    },
    part: 'libs/common/index.js',
  },
  'yarn 1, a path': {
    files: {
      ...NODE_PART,
      'package.json': json({ name: 'shop', version: '1.0.0', private: true, scripts: { start: 'node server.js' }, dependencies: { common: './libs/common' } }),
      'yarn.lock': '# yarn lockfile v1\n\n\ncommon@./libs/common:\n  version "1.0.0"\n',
      'server.js': SERVER,
    },
    part: 'libs/common/index.js',
  },
  'yarn 1, workspaces': {
    files: {
      ...NODE_PART,
      'package.json': json({ name: 'shop', version: '1.0.0', private: true, scripts: { start: 'node server.js' }, workspaces: ['libs/*'] }),
      'yarn.lock': '# yarn lockfile v1\n\n\n',
      'server.js': SERVER,
    },
    part: 'libs/common/index.js',
  },
  'pip, file: with a name': {
    files: pythonShop('libs/common', { 'requirements.txt': 'common @ file:libs/common\n' }),
    part: 'libs/common/src/common/__init__.py',
  },
  'pip, a path': { files: pythonShop('libs/common', { 'requirements.txt': 'libs/common\n' }), part: 'libs/common/src/common/__init__.py' },
  'pip, a path that looks like a version': {
    files: pythonShop('libs/common-0.1.0', { 'requirements.txt': './libs/common-0.1.0\n' }),
    part: 'libs/common-0.1.0/src/common/__init__.py',
  },
  'pip, through another file': {
    files: pythonShop('libs/common', { 'requirements.txt': '-r more.txt\n', 'more.txt': 'libs/common\n' }),
    part: 'libs/common/src/common/__init__.py',
  },
  'uv, a path': { files: uvShop('{ directory = "libs/common" }', '{ path = "libs/common" }'), part: 'libs/common/src/common/__init__.py' },
  'Go, a replaced module': {
    files: {
      'go.mod': 'module example.com/shop\n\ngo 1.22\n\nrequire example.com/common v0.0.0\n\nreplace example.com/common => ./libs/common\n',
      'go.sum': '',
      'main.go': 'package main\n\nimport "example.com/common"\n\nfunc main() { println(common.Text) }\n',
      'libs/common/go.mod': 'module example.com/common\n\ngo 1.22\n',
      'libs/common/common.go': 'package common\n\nconst Text = "v1"\n',
    },
    part: 'libs/common/common.go',
  },
  'PHP, a path that is copied': {
    files: {
      'index.php': '<?php require "vendor/autoload.php"; echo common();',
      'composer.json': json({ repositories: [{ type: 'path', url: 'libs/common', options: { symlink: false } }], require: { 'acme/common': '*@dev' } }),
      'composer.lock': json({
        ...{ 'content-hash': '0', 'packages-dev': [], aliases: [], 'minimum-stability': 'stable', 'stability-flags': { 'acme/common': 20 } },
        ...{ 'prefer-stable': false, 'prefer-lowest': false, platform: {}, 'platform-dev': {} },
        packages: [
          {
            ...{ name: 'acme/common', version: 'dev-main', type: 'library', autoload: { files: ['common.php'] } },
            dist: { type: 'path', url: 'libs/common', reference: '1' },
            'transport-options': { symlink: false, relative: true },
          },
        ],
      }),
      'libs/common/composer.json': json({ name: 'acme/common', version: 'dev-main', autoload: { files: ['common.php'] } }),
      'libs/common/common.php': '<?php function common() { return "v1"; }',
    },
    part: 'libs/common/common.php',
  },
  'make, what it finds': {
    files: {
      ...NODE_PART,
      Makefile: 'build:\n\ttouch code.tar.gz\n\tcat libs/common/index.js > made.js\n\ttar --exclude=code.tar.gz -czf code.tar.gz .\nrun:\n\tnode made.js\n',
    },
    part: 'libs/common/index.js',
  },
  'steps, a folder they make': {
    files: { ...NODE_PART, 'server.js': SERVER },
    part: 'libs/common/index.js',
    manifest: {
      build: { kind: 'steps', builder: 'lockgate/node-build', install: [['cp', '-r', 'libs/common', 'installed']], steps: [['ls']] },
      processes: { web: { command: ['node', 'server.js'] } },
    },
  },
}

function built(shape: Shape, change: { readonly appId: string; readonly files?: Files; readonly secrets?: Files }): Promise<Built> {
  const { appId, files = {}, secrets = {} } = change
  return rig.build({ ...shape.files, ...files }, { appId, secrets, ...(shape.manifest === undefined ? {} : { manifest: shape.manifest }) })
}

async function compared(cached: Built, clean: Built): Promise<void> {
  const [found, wanted] = await Promise.all([rig.filesOf(cached.result), rig.filesOf(clean.result)])
  const compare = (files: ReadonlyMap<string, string>): string[] =>
    [...files]
      .filter(([name]) => !DIFFERS_ANYWAY.test(name))
      .map(([name, hash]) => `${name} ${hash}`)
      .toSorted()
  expect(compare(found)).toEqual(compare(wanted))
}

test.each(Object.entries(SHAPES))('%s: a cached build makes what a clean one makes', { timeout: MAKING_MS }, async (_title, shape) => {
  const appId = `a-${randomWord(8)}`
  const part = { [shape.part]: (shape.files[shape.part] ?? '').replace('v1', 'v2') }
  const changes: readonly { readonly files?: Files; readonly secrets?: Files }[] = [
    { files: part },
    { files: { ...part, 'extra.txt': 'of the app' }, secrets: { API_URL: 'https://new.test' } },
  ]
  await built(shape, { appId, secrets: { API_URL: 'https://old.test' } })

  for (const change of changes) {
    const cached = await built(shape, { appId, ...change })
    await compared(cached, await built(shape, { appId: `a-${randomWord(8)}`, ...change }))
  }
})

test('a value of build.secrets that changed is built into the layers of a Dockerfile again', { timeout: MAKING_MS }, async () => {
  const files = {
    Dockerfile: 'FROM lockgate/base\nRUN --mount=type=secret,id=API_URL mkdir -p /app && cp /run/secrets/API_URL /app/api.txt\nCMD ["true"]\n',
  }
  const appId = `a-${randomWord(8)}`
  const [first, again, other] = [
    await rig.build(files, { appId, secrets: { API_URL: 'https://old.test' } }),
    await rig.build(files, { appId, secrets: { API_URL: 'https://old.test' } }),
    await rig.build(files, { appId, secrets: { API_URL: 'https://new.test' } }),
  ]

  const fileOf = async (one: Built): Promise<string | undefined> => (await rig.filesOf(one.result)).get('./api.txt')
  expect(await fileOf(again)).toEqual(await fileOf(first))
  expect(await fileOf(other)).not.toEqual(await fileOf(first))
  expect(again.steps.some(({ cached }) => cached)).toBe(true)
})
