import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuilderRig, type Built, exampleFiles } from '../../../../test/support/builder-rig.ts'
import { parseManifest } from '../../../core/app/parse-manifest.ts'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import { summarizeTests } from '../../../core/build/junit.ts'
import { userOf } from '../../../core/project/project.ts'
import { randomWord } from '../../../lib/ids.ts'
import { run } from '../../../lib/run.ts'

// The first build of a language makes its bases, which may take most of a minute.
const MAKING_MS = 240_000

let rig: BuilderRig
beforeAll(async () => {
  rig = await BuilderRig.open()
})
afterAll(async () => rig.close())

type Files = Record<string, string>

/** Builds files twice, the second time with `change`d ones, and says how long each took. */
async function twice(title: string, files: Files, change: Files): Promise<{ readonly first: Built; readonly again: Built }> {
  const manifest = parseManifest(files['lockgate.yaml'] ?? '')
  const appId = `a-${randomWord(8)}`
  const first = await rig.build(files, { manifest, appId })
  const again = await rig.build({ ...files, ...change }, { manifest, appId })
  console.log(
    `${title}: first ${first.seconds.toFixed(1)} s, again with a changed line ${again.seconds.toFixed(1)} s (${again.steps.flatMap(({ name, state, ms }) => (state === 'running' ? [] : [`${name} ${ms} ms`])).join(', ')})`,
  )
  return { first, again }
}

async function textAt(url: string): Promise<string> {
  return (await fetch(url)).text()
}

function cachedSteps({ steps }: Built): string[] {
  return steps.filter(({ cached }) => cached).map(({ name }) => name)
}

function installMs({ steps }: Built): number {
  return steps.find(({ name, state }) => name === 'npm ci' && state === 'done')?.ms ?? 0
}

test('Django with gunicorn and a Procfile', { timeout: MAKING_MS }, async () => {
  const files = await exampleFiles('django-hello')
  const { first, again } = await twice('django', files, { 'hello/urls.py': files['hello/urls.py']?.replace('from Django', 'from changed Django') ?? '' })
  const { url, name } = await rig.start(again.result, { GREETING: 'Good morning' })

  expect(await textAt(url)).toMatch(/^Good morning from changed Django on Python 3\.13\.\d+\n$/)
  expect(first.result.releaseCommand).toEqual(['python', 'manage.py', 'migrate', '--noinput'])
  expect((await rig.runtime.exec(name, ['sh', '-c', 'id -u; ls collected; python manage.py migrate --noinput'], 20_000)).output).toMatch(
    new RegExp(`^${userOf('p-test')}\nstyle\\.css\n`),
  )
  expect(cachedSteps(again)).toEqual(['python3 -m venv .venv', 'pip install -r requirements.txt'])
  expect(await rig.stop(name)).toEqual(0)
})

test('a Go web app with a module', { timeout: MAKING_MS }, async () => {
  const files = await exampleFiles('go-hello')
  const { again } = await twice('go', files, { 'main.go': files['main.go']?.replace('%s from', '%s again from') ?? '' })
  const { url, name } = await rig.start(again.result)

  expect(await textAt(url)).toMatch(/^Hello again from go1\.\d+/)
  expect(await rig.stop(name)).toEqual(0)
})

test('Express with a lock file, tests and the Node it asks for', { timeout: MAKING_MS }, async () => {
  const files = await exampleFiles('express-hello')
  const { first, again } = await twice('express', files, { 'app.js': files['app.js']?.replace('from Express', 'from changed Express') ?? '' })
  const { url, name } = await rig.start(again.result)

  expect(await textAt(url)).toMatch(/^Hello from changed Express on Node 24\./)
  expect(summarizeTests(first.result.tests)).toMatchObject({ total: 1, failed: 0 })
  expect(cachedSteps(again)).toEqual(['npm ci'])
  expect(await rig.stop(name)).toEqual(0)
})

test('tests that fail leave no image, and say which', { timeout: MAKING_MS }, async () => {
  const files: Files = { ...(await exampleFiles('express-hello')), 'app.js': "export const greeting = () => 'wrong'\n" }

  const failure = await rig.build(files, { manifest: parseManifest(files['lockgate.yaml'] ?? '') }).catch((error: unknown) => error)

  if (!(failure instanceof BuildFailure)) throw new Error('it was built')
  expect(failure.code).toEqual('build.tests_failed')
  expect(summarizeTests(failure.tests)).toMatchObject({ total: 1, failed: 1, failures: [{ name: expect.stringContaining('it greets as it is told') }] })
})

const SERVER =
  "import ms from 'ms'\nimport { createServer } from 'node:http'\ncreateServer((_, response) => response.end(ms('2 days') + '\\n')).listen(process.env.PORT)\n"
const PACKAGE = { name: 'x', version: '1.0.0', type: 'module', private: true, scripts: { start: 'node server.js' }, dependencies: { ms: '2.1.3' } }
const INTEGRITY = 'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=='

test.each([
  [
    'pnpm',
    'pnpm-lock.yaml',
    `lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .:\n    dependencies:\n      ms:\n        specifier: 2.1.3\n        version: 2.1.3\n\npackages:\n\n  ms@2.1.3:\n    resolution: {integrity: ${INTEGRITY}}\n\nsnapshots:\n\n  ms@2.1.3: {}\n`,
  ],
  [
    'yarn',
    'yarn.lock',
    `# yarn lockfile v1\n\n\nms@2.1.3:\n  version "2.1.3"\n  resolved "https://registry.yarnpkg.com/ms/-/ms-2.1.3.tgz#574c8138ce1d2b5861f0b44579dbadd60c6615b2"\n  integrity ${INTEGRITY}\n`,
  ],
  [
    'yarn berry',
    'yarn.lock',
    '# This file is generated by running "yarn install" inside your project.\n# Manual changes might be lost - proceed with caution!\n\n__metadata:\n  version: 8\n  cacheKey: 10c0\n\n"ms@npm:2.1.3":\n  version: 2.1.3\n  resolution: "ms@npm:2.1.3"\n  checksum: 10c0/d924b57e7312b3b63ad21fc5b3dc0af5e78d61a1fc7cfb5457edaf26326bf62be5307cc87ffb6862ef1c2b33b0233cdb5d4f01c4c958cc0d660948b65a287a48\n  languageName: node\n  linkType: hard\n\n"x@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "x@workspace:."\n  dependencies:\n    ms: "npm:2.1.3"\n  languageName: unknown\n  linkType: soft\n',
  ],
])('a Node app that is installed by %s', { timeout: MAKING_MS }, async (title, lock, text) => {
  const { again } = await twice(title, { 'package.json': JSON.stringify(PACKAGE), [lock]: text, 'server.js': SERVER }, { 'server.js': `${SERVER}// changed\n` })
  const { url } = await rig.start(again.result)

  expect(await textAt(url)).toEqual('172800000\n')
})

test('PHP with composer, behind a server that also serves its files', { timeout: MAKING_MS }, async () => {
  const files: Files = {
    ...(await exampleFiles('php-hello')),
    'public/style.css': 'body {}\n',
    'public/.env': 'SECRET=1\n',
    'public/auth.php': "<?php echo $_SERVER['HTTP_AUTHORIZATION'] ?? 'none', ' ', $_SERVER['PHP_AUTH_USER'] ?? 'nobody';",
  }
  const { again } = await twice('php', files, { 'public/index.php': files['public/index.php']?.replace('"\\n"', '" again\\n"') ?? '' })
  const { url, name } = await rig.start(again.result, { GREETING: 'Good morning' })

  expect(await textAt(url)).toMatch(/^Good morning from PHP 8\.4\.\d+ again\n$/)
  expect(await textAt(`${url}/some/pretty/path?x=1`)).toMatch(/^Good morning/)
  expect((await fetch(`${url}/style.css`)).headers.get('content-type')).toContain('text/css')
  expect((await fetch(`${url}/.env`)).status).toEqual(403)
  expect(await (await fetch(`${url}/auth.php`, { headers: { authorization: 'Bearer tok' } })).text()).toEqual('Bearer tok nobody')
  expect(await (await fetch(`${url}/auth.php`, { headers: { authorization: `Basic ${btoa('ada:x')}` } })).text()).toMatch(/ ada$/)
  expect(await rig.stop(name)).toEqual(0)
})

test('a site that Eleventy makes', { timeout: MAKING_MS }, async () => {
  const files = await exampleFiles('eleventy-hello')
  const { first, again } = await twice('eleventy', files, { 'index.md': '# Changed\n' })
  const { url } = await rig.start(again.result)

  expect(await textAt(url)).toContain('<h1>Changed</h1>')
  expect(cachedSteps(again)).toEqual(['npm ci'])
  // Of the whole build the machine has a share, which is not the same twice; what is kept has none.
  expect(installMs(again)).toBeLessThan(installMs(first) * 0.5)
})

test.each([
  ['uv', 'uv.lock', 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n[[package]]\nname = "shop"\nversion = "1.0.0"\nsource = { virtual = "." }\n'],
  [
    'poetry',
    'poetry.lock',
    'package = []\n\n[metadata]\nlock-version = "2.1"\npython-versions = ">=3.11"\ncontent-hash = "f5666f5625d676c506924a57dc0520a1f3ed2b2c774baed3dc85353594f8473d"\n',
  ],
])('a Python app that is installed by %s', { timeout: MAKING_MS }, async (title, lock, text) => {
  const server =
    "import os\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n\n\nclass Shop(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'open\\n')\n\n\nHTTPServer(('', int(os.environ['PORT'])), Shop).serve_forever()\n"
  const pyproject = '[project]\nname = "shop"\nversion = "1.0.0"\nrequires-python = ">=3.11"\ndependencies = []\n'
  const { again } = await twice(
    title,
    { 'pyproject.toml': pyproject, [lock]: text, 'server.py': server, Procfile: 'web: python server.py\n' },
    { 'server.py': `${server}# changed\n` },
  )
  const { url } = await rig.start(again.result)

  expect(await textAt(url)).toEqual('open\n')
})

test('a part in C is compiled against the Node it will run on', { timeout: MAKING_MS }, async () => {
  const part =
    '#include <node_api.h>\nstatic napi_value Init(napi_env env, napi_value exports) { napi_value text; napi_create_string_utf8(env, "compiled", NAPI_AUTO_LENGTH, &text); return text; }\nNAPI_MODULE(NODE_GYP_MODULE_NAME, Init)\n'
  const program = "require('http').createServer((_, response) => response.end(require('./build/Release/part.node'))).listen(process.env.PORT)\n"
  const { result, seconds } = await rig.build(
    {
      'package.json': JSON.stringify({ name: 'x', version: '1.0.0', scripts: { install: 'node-gyp rebuild' } }),
      'package-lock.json': JSON.stringify({
        name: 'x',
        version: '1.0.0',
        lockfileVersion: 3,
        packages: { '': { name: 'x', version: '1.0.0', hasInstallScript: true } },
      }),
      'binding.gyp': '{ "targets": [{ "target_name": "part", "sources": ["part.c"] }] }',
      'part.c': part,
      'server.js': program,
    },
    { manifest: { build: { kind: 'auto', builder: 'lockgate/node-native' } } },
  )
  console.log(`node with compilers: ${seconds.toFixed(1)} s`)

  expect(await textAt((await rig.start(result)).url)).toEqual('compiled')
})

test('steps of lockgate.yaml in an image of somebody, which is said with its digest', { timeout: MAKING_MS }, async () => {
  // Nobody answers there, so that the engine's own is taken.
  const image = `127.0.0.1:9/team/node:${randomWord(8)}`
  await run('docker', ['tag', await rig.base({ base: 'node', version: null }), image])
  const manifest = parseManifest(
    `build: {kind: steps, builder: "${image}", runner: "${image}", steps: ["mkdir out", "cp server.js out/server.js"], output: out}\nprocesses: {web: {command: node server.js}}\n`,
  )

  const program = "require('http').createServer((_, response) => response.end(require('fs').readdirSync('.').join())).listen(process.env.PORT)"
  const { result, lines } = await rig.build({ 'server.js': program }, { manifest })
  await run('docker', ['rmi', image])

  expect(lines.join('\n')).toMatch(/Using the image 127\.0\.0\.1:9\/team\/node:\S+, sha256:[0-9a-f]{64}/)
  expect(await rig.commandOf(result)).toEqual(['node', 'server.js'])
})
