import { expect, test } from 'vitest'
import { BuildFailure } from './build-failure.ts'
import type { Checkout } from './build-plan.ts'
import { describePlan, filesToRead, planBuild } from './plan.ts'

const MAKEFILE = 'APP := shop\n.PHONY: build test\nbuild: deps\n\ttar czf code.tar.gz .\ntest:\n\ttrue\nrun:\n\tnode server.js\n'

function aCheckout(texts: Record<string, string>, build?: Checkout['manifest']['build']): Checkout {
  return { files: Object.keys(texts).toSorted(), texts, manifest: { build } }
}

function failure(checkout: Checkout): BuildFailure {
  try {
    planBuild(checkout)
  } catch (error) {
    if (error instanceof BuildFailure) return error
    throw error
  }
  throw new Error('it was understood')
}

test('a Makefile with build and run that names code.tar.gz is built by make, before anything else', () => {
  const plan = planBuild(aCheckout({ Makefile: MAKEFILE, 'package.json': '{}', 'index.html': '' }))

  expect(plan).toMatchObject({ kind: 'makefile', steps: [{ name: 'make build' }, { name: 'make test', phase: 'test' }] })
})

test('a Makefile that is only for developers is passed over', () => {
  const plan = planBuild(aCheckout({ Makefile: 'build:\n\tcc x.c\nrun:\n\t./x\n', 'index.html': '' }))

  expect(plan.kind).toEqual('static')
})

test('a variable named build is no target', () => {
  const checkout = aCheckout({ Makefile: 'build := code.tar.gz\nrun ::= 2\n' })

  expect(failure(checkout).message).toContain('no target build and no target run')
})

test('a package.json with its lock is built by npm, and a plain start script is run without npm', () => {
  const description = JSON.stringify({ scripts: { start: 'node --enable-source-maps dist/server.js', build: 'tsc' }, devDependencies: { typescript: '6' } })

  const plan = planBuild(aCheckout({ 'package.json': description, 'package-lock.json': '{}' }))

  expect(plan).toMatchObject({
    kind: 'node',
    steps: [{ name: 'npm ci' }, { name: 'npm run build' }, { name: 'npm prune --omit=dev' }],
    command: ['node', '--enable-source-maps', 'dist/server.js'],
  })
})

test.each([
  [{ scripts: { start: 'NODE_ENV=x node server.js && echo done' } }, ['npm', 'start']],
  [{ scripts: { start: 'node server.js', prestart: 'node migrate.js' } }, ['npm', 'start']],
  [{ scripts: {} }, ['node', 'server.js']],
  [{ main: './lib/main.js' }, ['node', 'server.js']],
])('the program of %j is %j', (description, command) => {
  const plan = planBuild(aCheckout({ 'package.json': JSON.stringify(description), 'package-lock.json': '{}', 'server.js': '', 'lib/main.js': '' }))

  expect(plan).toMatchObject({ kind: 'node', command })
})

test('main is run where there is neither a start script nor a server.js', () => {
  const plan = planBuild(aCheckout({ 'package.json': '{"main":"./lib/main.js"}', 'package-lock.json': '{}', 'lib/main.js': '' }))

  expect(plan).toMatchObject({ command: ['node', 'lib/main.js'] })
})

test('an npm build with a folder to publish is served as static files', () => {
  const checkout = aCheckout({ 'package.json': '{"scripts":{"build":"vite build"}}', 'package-lock.json': '{}' }, { kind: 'auto', publish: 'dist' })

  expect(planBuild(checkout)).toMatchObject({
    steps: [{ name: 'npm ci' }, { name: 'npm run build' }],
    taken: { kind: 'folder', path: 'dist' },
    runner: { base: 'static' },
  })
})

test('a missing lock file is refused with the command that makes one', () => {
  const refused = failure(aCheckout({ 'package.json': '{"scripts":{"start":"node server.js"}}' }))

  expect(refused.code).toEqual('build.not_understood')
  expect(refused.message).toContain('run "npm install" and commit the package-lock.json')
})

test('a package.json that is no JSON is named', () => {
  expect(failure(aCheckout({ 'package.json': '{', 'package-lock.json': '' })).message).toContain('cannot be read as JSON')
})

test('an index.html is served as it is, also beside a package.json that starts nothing', () => {
  expect(planBuild(aCheckout({ 'index.html': '' }))).toMatchObject({ kind: 'static', taken: { path: '' } })
  expect(planBuild(aCheckout({ 'index.html': '', 'package.json': '{}' }))).toMatchObject({ kind: 'static', taken: { path: '' } })
})

test('a folder to publish is served when it is there', () => {
  expect(planBuild(aCheckout({ 'public/index.html': '' }, { kind: 'auto', publish: 'public' }))).toMatchObject({ kind: 'static', taken: { path: 'public' } })
})

test('lockgate.yaml decides, and a kind that is not there is refused', () => {
  const checkout = aCheckout({ Makefile: MAKEFILE, 'index.html': '' }, { kind: 'static' })

  expect(describePlan(planBuild(checkout))).toMatch(/^static: lockgate.yaml says static; found index.html/)
  expect(failure(aCheckout({ 'index.html': '' }, { kind: 'node' })).message).toEqual('lockgate.yaml says build kind node, but there is no package.json')
})

test('what nobody understands names everything that was looked for', () => {
  const { message } = failure(aCheckout({ 'main.cob': '' }))

  expect(message).toContain('there is no Dockerfile; there is no Makefile; there is no package.json; there is no requirements.txt')
})

test('an app that lives in a folder is told how to say so', () => {
  const { message } = failure(aCheckout({ 'README.md': '', 'a/b/c/go.mod': '', 'services/web/package.json': '{}' }))

  expect(message).toContain('but services/web has package.json. Does the app live there? "lockgate app set NAME --root FOLDER" says so.')
})

test('a Dockerfile comes before a Makefile, and one that lockgate.yaml names has to be there', () => {
  const both = { Dockerfile: 'FROM x', Makefile: 'build:\n\ttouch code.tar.gz\nrun:\n\ttrue\n' }

  expect(planBuild(aCheckout(both)).kind).toEqual('dockerfile')
  expect(planBuild({ ...aCheckout(both), manifest: { build: { kind: 'makefile' } } }).kind).toEqual('makefile')
  expect(planBuild({ ...aCheckout(both), manifest: { build: { kind: 'auto', target: 'web', args: { A: '1' } } } })).toMatchObject({
    file: 'Dockerfile',
    target: 'web',
    args: { A: '1' },
  })
  expect(() => planBuild({ ...aCheckout({ 'index.html': '' }), manifest: { build: { kind: 'dockerfile', dockerfile: 'x.Dockerfile' } } })).toThrow(
    'there is no x.Dockerfile',
  )
})

test('only the files that decide are asked for', () => {
  expect(filesToRead(['Makefile', 'README.md', 'package.json', 'src/Makefile', 'src/app.py']).toSorted()).toEqual(['Makefile', 'package.json'])
})

test('a Dockerfile that lockgate.yaml names and that is not there is not replaced by another build', () => {
  const files = ['package.json', 'package-lock.json']
  const texts = { 'package.json': '{"scripts":{"start":"x"}}', 'package-lock.json': '{}' }

  expect(() => planBuild({ files, texts, manifest: { build: { kind: 'auto', dockerfile: 'Docker.file' } } })).toThrow('there is no Docker.file')
})
