import { expect, test } from 'vitest'
import { UTF16_MARK } from '../../lib/text.ts'
import type { Manifest } from '../app/manifest.ts'
import { BuildFailure } from './build-failure.ts'
import type { Checkout } from './build-plan.ts'
import { leftOut, volumesLeftOut } from './left-out.ts'
import { planBuild } from './plan.ts'

type Texts = Readonly<Record<string, string>>

const checkoutOf = (texts: Texts, manifest: Manifest = {}): Checkout => ({ files: Object.keys(texts).toSorted(), texts, manifest })
const sentences = (texts: Texts, manifest: Manifest = {}): string[] => {
  const checkout = checkoutOf(texts, manifest)
  return leftOut(checkout, planBuild(checkout)).map((sentence) => sentence.replace(/^Not used: /, ''))
}
function refusal(texts: Texts, manifest: Manifest = {}): string {
  try {
    planBuild(checkoutOf(texts, manifest))
    return 'understood'
  } catch (error) {
    if (error instanceof BuildFailure) return error.message
    throw error
  }
}

const NODE: Texts = { 'package.json': '{"scripts":{"start":"node server.js"}}', 'package-lock.json': '{}', 'server.js': '' }
const PYTHON: Texts = { 'requirements.txt': 'flask==3.1.0\n', Procfile: 'web: python x.py\n' }

test('volumes of an image are named when the Dockerfile does not name them itself', () => {
  const dockerfile = 'FROM x\nVOLUME ["/own", "/logs"]\nvolume /database\n'

  expect(volumesLeftOut(['/data', '/database', '/logs', '/own'], dockerfile)).toEqual([
    expect.stringMatching(/^Not used: VOLUME \/data of the image, which is not kept/),
  ])
  expect(volumesLeftOut(['/data', '/logs'])).toHaveLength(2)
  expect(volumesLeftOut([])).toEqual([])
})

test('a checkout of which all is used says nothing', () => {
  expect(sentences({ ...NODE, Procfile: 'web: node server.js\nrelease: node migrate.js\n' })).toEqual([])
  expect(sentences(PYTHON)).toEqual([])
  expect(sentences({ Dockerfile: 'FROM lockgate/base\n', 'README.md': '' })).toEqual([])
})

test.each<[string, Texts, Manifest, string[]]>([
  [
    'processes of the Procfile',
    { ...NODE, Procfile: 'web: x\nworker: node worker.js\nclock: y\n' },
    {},
    ['"worker" of the Procfile;', '"clock" of the Procfile;'],
  ],
  ['a Procfile beside a Dockerfile', { Dockerfile: 'FROM x\n', Procfile: 'web: x\n' }, {}, ['the Procfile, because the Dockerfile says']],
  ['web twice', { ...NODE, Procfile: 'web: x\n' }, { processes: { web: { command: ['y'] } } }, ['"web" of the Procfile, because lockgate.yaml']],
  [
    'what a Dockerfile does not read of lockgate.yaml',
    { Dockerfile: 'FROM x\n' },
    { build: { kind: 'auto', builder: 'x', steps: [['x']], publish: 'x', memory: 512 } },
    ['build.builder of lockgate.yaml, because the Dockerfile says', 'build.steps of', 'build.publish of'],
  ],
  [
    'keys of a Dockerfile in a build of another kind',
    NODE,
    { build: { kind: 'node', target: 'x', args: { A: 'b' } } },
    ['build.target of', 'build.args of lockgate.yaml, because no'],
  ],
  [
    'a folder to publish in a build that serves no files',
    NODE,
    { build: { kind: 'node', publish: 'x' } },
    ['build.publish of lockgate.yaml, because a build of the kind node'],
  ],
  ['release twice', { ...NODE, Procfile: 'release: x\n' }, { release_command: ['y'] }, ['"release" of the Procfile, because lockgate.yaml']],
  [
    'files of other platforms',
    { ...NODE, CHECKS: '', 'app.json': '{}', 'docker-compose.yml': '', 'compose.prod.yaml': '' },
    {},
    ['CHECKS;', 'app.json;', 'docker-compose.yml;', 'compose.prod.yaml;'],
  ],
  ['two lock files of Node', { ...NODE, 'yarn.lock': '' }, {}, ['yarn.lock, because package-lock.json is installed from']],
  [
    'three lock files of Node',
    { ...NODE, 'npm-shrinkwrap.json': '{}', 'pnpm-lock.yaml': '' },
    {},
    ['package-lock.json, because npm-shrinkwrap.json', 'pnpm-lock.yaml, because npm-shrinkwrap.json'],
  ],
  ['two lock files of Python', { ...PYTHON, 'uv.lock': '', 'pyproject.toml': '' }, {}, ['requirements.txt, because uv.lock is installed from']],
  ['a volume', { Dockerfile: 'FROM x\n  volume /data /logs\nVOLUME ["/cache"]\n' }, {}, ['VOLUME /data /logs, which', 'VOLUME ["/cache"], which']],
  ['a second manifest', { ...NODE, 'lockgate.yaml': '', 'lockgate.yml': '' }, {}, ['lockgate.yml, because lockgate.yaml is there']],
])('%s: each is said in a sentence', (...[, texts, manifest, begins]) => {
  expect(
    sentences(texts, manifest)
      .toSorted()
      .map((sentence, at) => sentence.startsWith(begins.toSorted()[at] ?? '-')),
  ).toEqual(begins.map(() => true))
})

test.each(['lockgate.yml', '.lockgate.yaml', 'Lockgate.yaml', 'lockgate.json'])('%s alone is refused: it was surely meant', (name) => {
  expect(refusal({ ...NODE, [name]: '' })).toMatch(/is not read: the file is called lockgate\.yaml/)
})

test('UTF-16 is read where tools read it, and named where they do not', () => {
  expect(refusal({ ...PYTHON, 'requirements.txt': `${UTF16_MARK}flask==3.1.0\r\n`, Procfile: `${UTF16_MARK}web: python x.py\r\n` })).toBe('understood')
  expect(refusal({ ...NODE, 'package.json': `${UTF16_MARK}${NODE['package.json']}` })).toBe(
    'package.json is text in UTF-16, which its tools do not read: save it as UTF-8',
  )
  expect(refusal({ ...PYTHON, 'requirements.txt': 'flask==1\nf\0l\0a' })).toBe('Line 2 of requirements.txt holds a NUL byte: save it as UTF-8')
})

test.each([
  ['pnpm@9', 'npm install --global pnpm@9', false],
  ['pnpm@9.15', 'npm install --global pnpm@9.15', false],
  ['pnpm@9.15.9+sha512.abc=', 'npm install --global pnpm@9.15.9', true],
  ['pnpm', 'npm install --global pnpm@10.34.8', true],
])('packageManager %s fetches %s', (packageManager, step, isKept) => {
  const plan = planBuild(
    checkoutOf({ 'package.json': JSON.stringify({ packageManager, scripts: { start: 'node x' } }), 'pnpm-lock.yaml': "lockfileVersion: '9.0'\n" }),
  )

  expect(plan.kind === 'dockerfile' ? null : plan.steps[0]).toMatchObject({ name: step })
  expect(plan.kind === 'dockerfile' ? null : plan.steps[0]?.keeps !== undefined).toBe(isKept)
})

test('a packageManager that is none, and a Procfile line that stands there twice, are refused with what was seen', () => {
  expect(refusal({ ...NODE, 'package.json': '{"packageManager":"pnpm@latest","scripts":{"start":"x"}}' })).toContain(
    'packageManager of package.json is "pnpm@latest"',
  )
  expect(refusal({ ...NODE, Procfile: 'web: a\nweb: b\n' })).toBe('Line 2 of the Procfile says web a second time')
})

test('tests of lockgate.yaml that nothing would run are refused', () => {
  expect(refusal({ Dockerfile: 'FROM x\n' }, { build: { kind: 'auto', test: ['x'] } })).toContain('build.test, which is not run where a Dockerfile is built')
})
