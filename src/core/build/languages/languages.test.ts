import { expect, test } from 'vitest'
import type { Manifest } from '../../app/manifest.ts'
import { BuildFailure } from '../build-failure.ts'
import type { StepsPlan } from '../build-plan.ts'
import { describePlan, planBuild } from '../plan.ts'

/** The plan of a checkout of these files. */
function planOf(texts: Record<string, string>, manifest: Manifest = {}): StepsPlan {
  const plan = planBuild({ files: Object.keys(texts).toSorted(), texts, manifest })
  if (plan.kind === 'dockerfile') throw new Error('a Dockerfile')
  return plan
}

function refusal(texts: Record<string, string>, manifest: Manifest = {}): string {
  try {
    return `understood: ${describePlan(planOf(texts, manifest))}`
  } catch (error) {
    if (error instanceof BuildFailure) return error.message
    throw error
  }
}

const names = (plan: StepsPlan): string[] => plan.steps.map(({ name }) => name)
const json = JSON.stringify

const APP = { 'server.js': '' }
const START = { scripts: { start: 'node server.js' }, devDependencies: { typescript: '6' } }

test.each([
  [{ 'package-lock.json': '{}' }, ['npm ci', 'npm prune --omit=dev']],
  [
    { 'pnpm-lock.yaml': "lockfileVersion: '9.0'" },
    ['npm install --global pnpm@10.34.8', 'pnpm install --frozen-lockfile', 'pnpm prune --prod --ignore-scripts', 'rm -rf .lockgate'],
  ],
  [
    { 'yarn.lock': '# yarn lockfile v1' },
    [
      'npm install --global yarn@1.22.22',
      'yarn install --frozen-lockfile --non-interactive',
      'yarn install --production --ignore-scripts --prefer-offline --frozen-lockfile --non-interactive',
      'rm -rf .lockgate',
    ],
  ],
  [
    { 'yarn.lock': '__metadata:\n  version: 8' },
    ['npm install --global @yarnpkg/cli-dist@4.9.4', 'yarn install --immutable', 'yarn workspaces focus --all --production', 'rm -rf .lockgate'],
  ],
])('the lock file %j says which package manager installs', (lock, steps) => {
  expect(names(planOf({ ...APP, ...(lock as unknown as Record<string, string>), 'package.json': json(START) }))).toEqual(steps)
})

test('the field packageManager says which version of which, and its lock file has to be there', () => {
  const described = json({ ...START, packageManager: 'pnpm@9.1.0+sha512.abc' })

  expect(names(planOf({ 'package.json': described, 'pnpm-lock.yaml': '', 'package-lock.json': '{}' }))[0]).toEqual('npm install --global pnpm@9.1.0')
  expect(refusal({ 'package.json': described, 'package-lock.json': '{}' })).toContain('there is no pnpm-lock.yaml (the package.json asks for pnpm@9.1.0')
})

test.each([
  [{ '.nvmrc': 'v20.11.1\n' }, '20.11.1'],
  [{ '.nvmrc': 'lts/jod' }, '22.23.3'],
  [{ '.node-version': '22' }, '22.23.3'],
  [{ 'package.json': json({ ...START, engines: { node: '>=20 <23' } }) }, '22.23.3'],
  [{ 'package.json': json({ ...START, engines: { node: '>=18' } }) }, '26.10.0'],
  [{}, null],
])('%j chooses the Node %s', (files, version) => {
  const plan = planOf({ ...APP, 'package.json': json(START), 'package-lock.json': '{}', ...(files as unknown as Record<string, string>) })

  expect(plan).toMatchObject({ builder: { base: 'node-build', version }, runner: { base: 'node', version } })
})

test('a version that there is not is refused with the file, what it asks for, and what there is', () => {
  const node = { ...APP, 'package.json': json(START), 'package-lock.json': '{}' }
  const python = { 'requirements.txt': '', Procfile: 'web: python app.py' }

  expect(refusal({ ...node, '.nvmrc': '12' })).toMatch(/^\.nvmrc asks for Node 12, and there is Node 18 to 26\./)
  expect(refusal({ ...python, 'runtime.txt': 'python-2.7.18' })).toMatch(/^runtime\.txt asks for Python python-2\.7\.18, and there is Python 3\.11 and 3\.13\./)
  expect(refusal({ 'go.mod': 'module x\n\ngo 1.99\n', 'main.go': 'package main' })).toMatch(/^go\.mod asks for Go 1\.99/)
  expect(refusal({ 'index.php': '', 'composer.json': '{"require":{"php":"^7.4"}}' })).toMatch(/^require\.php of composer\.json asks for PHP \^7\.4/)
})

test.each([
  ['{"packages":{"node_modules/bcrypt":{"hasInstallScript":true}}}', 'node-native'],
  ['{"packages":{"node_modules/unheard-of":{"hasInstallScript":true}}}', 'node-native'],
  ['{"packages":{"node_modules/esbuild":{"hasInstallScript":true},"node_modules/fsevents":{"hasInstallScript":true,"os":["darwin"]}}}', 'node-build'],
])('compilers are there when the lock %s has something to compile', (lock, base) => {
  expect(planOf({ ...APP, 'package.json': json(START), 'package-lock.json': lock }).builder).toEqual({ base, version: null })
})

test.each([
  [{ devDependencies: { '@11ty/eleventy': '3' }, scripts: { build: 'eleventy', start: 'eleventy --serve' } }, '_site'],
  [{ devDependencies: { vite: '7' }, scripts: { build: 'vite build', start: 'vite' } }, 'dist'],
  [{ dependencies: { 'react-scripts': '5' }, scripts: { build: 'react-scripts build', start: 'react-scripts start' } }, 'build'],
])('the site that %j makes is served from its folder', (described, folder) => {
  const plan = planOf({ 'package.json': json(described), 'package-lock.json': '{}', 'index.html': '' })

  expect(plan).toMatchObject({ taken: { kind: 'folder', path: folder }, runner: { base: 'static' } })
  expect(names(plan)).toEqual(['npm ci', 'npm run build'])
})

const DJANGO = { 'manage.py': '', 'shop/wsgi.py': '', 'shop/settings.py': "STATIC_ROOT = BASE_DIR / 'static'\n" }

test('a Django app is started by the gunicorn of its lock, after its static files are collected', () => {
  const plan = planOf({ ...DJANGO, 'requirements.txt': 'django==5.2\ngunicorn==23.0.0  # server\n' })

  expect(plan).toMatchObject({ kind: 'python', command: ['gunicorn', 'shop.wsgi'], runner: { base: 'python', version: '3.13' } })
  expect(names(plan)).toEqual(['python3 -m venv .venv', 'pip install -r requirements.txt', 'python manage.py collectstatic --noinput'])
  expect(refusal({ ...DJANGO, 'requirements.txt': 'django==5.2' })).toContain('requirements.txt has no gunicorn to run shop.wsgi with')
})

test.each([
  ['from flask import Flask\napp = Flask(__name__)\n', 'gunicorn==1', ['gunicorn', 'main:app']],
  ['api: FastAPI = FastAPI()\n', 'uvicorn[standard]==1', ['sh', '-c', 'exec uvicorn main:api --host 0.0.0.0 --port "$PORT"']],
])('the app in %j is found and started', (text, requirement, command) => {
  expect(planOf({ 'main.py': text, 'requirements.txt': requirement }).command).toEqual(command)
})

test('lines of requirements.txt without an exact version are built, and warned about', () => {
  const files = { 'requirements.txt': 'flask>=3\ngunicorn==23.0.0\n-r other.txt', Procfile: 'web: gunicorn app:app' }

  expect(describePlan(planOf(files))).toContain('warning: 1 of 2 lines of requirements.txt name no exact version')
})

test.each([
  ['uv.lock', '[[package]]\nname = "gunicorn"\nversion = "23.0.0"\nwheels = [{ url = "x" }]\n', 'uv sync --locked --no-dev'],
  [
    'poetry.lock',
    '[[package]]\nname = "gunicorn"\nversion = "23.0.0"\nfiles = [{ file = "x.whl", hash = "y" }]\n',
    'poetry install --no-root --compile --only main',
  ],
])('%s is what is installed', (lock, text, step) => {
  const pyproject = '[project]\nname = "shop"\nrequires-python = ">=3.11,<3.13"\n'
  const plan = planOf({ [lock]: text, 'pyproject.toml': pyproject, 'wsgi.py': 'app = Flask(__name__)' })

  expect(names(plan)).toContain(step)
  expect(plan).toMatchObject({ command: ['gunicorn', 'wsgi:app'], builder: { base: 'python-build', version: '3.11' } })
})

test('a Python package without a wheel is built with compilers', () => {
  const uv = '[[package]]\nname = "odd"\nversion = "1"\nsdist = { url = "x" }\n\n[[package]]\nname = "shop"\nsource = { virtual = "." }\n'

  expect(planOf({ 'uv.lock': uv, 'pyproject.toml': '', Procfile: 'web: python x.py' }).builder).toMatchObject({ base: 'python-native' })
  expect(planOf({ 'requirements.txt': 'psycopg2==2.9', Procfile: 'web: python x.py' }).builder).toMatchObject({ base: 'python-native' })
})

test('a Python app without a lock, or without a word of how it starts, is refused with what to do', () => {
  expect(refusal({ 'pyproject.toml': '[project]\nname="x"' })).toContain('run "uv lock"')
  expect(refusal({ 'requirements.txt': '' })).toContain('add a Procfile with a line such as "web: gunicorn shop.wsgi"')
})

test('a Procfile of a Python app decides, although its pages are made by a tool of Node', () => {
  const files = {
    'requirements.txt': '',
    Procfile: 'web: gunicorn shop.wsgi',
    'package.json': json({ scripts: { build: 'vite build' } }),
    'vite.config.js': '',
  }

  expect(planOf(files)).toMatchObject({ kind: 'python', command: ['gunicorn', 'shop.wsgi'] })
})

test.each([
  ['node server.js', ['node', 'server.js']],
  ['node server.js --port "$PORT"', ['sh', '-c', 'exec node server.js --port "$PORT"']],
  ['npm run migrate && node server.js', ['sh', '-c', 'npm run migrate && node server.js']],
  ['WORKERS=2 node server.js', ['sh', '-c', 'exec env WORKERS=2 node server.js']],
])('the Procfile line %j runs as %j', (line, command) => {
  const files = { 'package.json': json(START), 'package-lock.json': '{}', Procfile: `# how it runs\nweb: ${line}\nrelease: node migrate.js\n` }

  expect(planOf(files)).toMatchObject({ command, releaseCommand: ['node', 'migrate.js'] })
})

test('a Procfile line that is none is named by its number', () => {
  expect(refusal({ 'package.json': json(START), 'package-lock.json': '{}', Procfile: 'web: x\nhello' })).toContain('Line 2 of the Procfile')
})

test.each([
  [{ 'main.go': 'package main\n' }, '.'],
  [{ 'cmd/shop/main.go': 'package main\n', 'shop.go': 'package shop\n', 'cmd/shop/main_test.go': '' }, './cmd/shop'],
])('the program of the Go module %j is %s', (files, main) => {
  const plan = planOf({ 'go.mod': 'module x\n\ngo 1.22\n', ...(files as unknown as Record<string, string>) })

  expect(names(plan)).toEqual([`go build -o bin/app ${main}`])
  expect(plan).toMatchObject({ builder: { base: 'go-build', version: null }, runner: { base: 'base' }, command: ['/app/bin/app'] })
})

test('a Go module without one program, without go.sum, or with parts in C is refused with what to do', () => {
  const mod = 'module x\n\ngo 1.22\n'

  expect(refusal({ 'go.mod': mod, 'cmd/a/a.go': 'package main', 'cmd/b/b.go': 'package main' })).toContain('there are several programs: ./cmd/a, ./cmd/b')
  expect(refusal({ 'go.mod': `${mod}require example.com/y v1.0.0\n`, 'main.go': 'package main' })).toContain('run "go mod tidy"')
  expect(refusal({ 'go.mod': `${mod}require github.com/mattn/go-sqlite3 v1.0.0\n`, 'go.sum': '', 'main.go': 'package main' })).toContain('is written in C')
})

test('a newer Go than Debian has is the release of that number', () => {
  const of = (mod: string): unknown => planOf({ 'go.mod': mod, 'main.go': 'package main' }).builder

  expect(of('module x\n\ngo 1.26\n')).toMatchObject({ version: '1.26.11' })
  expect(of('module x\n\ngo 1.22\n\ntoolchain go1.27.1\n')).toMatchObject({ version: '1.27.1' })
})

test('a PHP app is served from the folder of its index.php', () => {
  const composer = '{"require":{"php":"~8.2","slim/slim":"4.*"}}'
  const plan = planOf({ 'public/index.php': '', 'composer.json': composer, 'composer.lock': '{}' })

  expect(names(plan)).toEqual(['composer install --no-dev'])
  expect(plan).toMatchObject({ kind: 'php', runner: { base: 'php', version: '8.4' }, env: { DOCUMENT_ROOT: '/app/public' } })
  expect(planOf({ 'index.php': '' })).toMatchObject({ steps: [], env: { DOCUMENT_ROOT: '/app' } })
  expect(refusal({ 'public/index.php': '', 'composer.json': composer })).toContain('there is no composer.lock')
})

test('lockgate.yaml has the last word: images, steps, tests and what is taken', () => {
  const build = {
    kind: 'auto',
    builder: 'lockgate/node-native:22',
    runner: 'registry.example.com/node@sha256:aa',
    install: [['npm', 'ci', '--ignore-scripts']],
    steps: [['npm', 'run', 'bundle']],
    test: ['npm', 'test'],
    output: 'dist',
  } as const

  const plan = planOf(
    { 'package.json': json(START), 'package-lock.json': '{}' },
    { build: { ...build, install: [...build.install.map((one) => [...one])], steps: [['npm', 'run', 'bundle']], test: ['npm', 'test'] } },
  )

  expect(names(plan)).toEqual(['npm ci --ignore-scripts', 'npm run bundle', 'npm test'])
  expect(plan).toMatchObject({
    builder: { base: 'node-native', version: '22.23.3' },
    runner: { image: 'registry.example.com/node@sha256:aa' },
    taken: { kind: 'folder', path: 'dist' },
  })
  expect(describePlan(plan)).toContain('lockgate.yaml sets build.builder, build.runner, build.install, build.steps, build.output')
})

test('tests run with what only they need, which is taken away after them', () => {
  expect(names(planOf({ 'package.json': json(START), 'package-lock.json': '{}' }, { build: { kind: 'auto', test: ['npm', 'test'] } }))).toEqual([
    'npm ci',
    'npm test',
    'npm prune --omit=dev',
  ])
})

test('tests find what was installed, and the package manager', () => {
  const build: Manifest['build'] = { kind: 'auto', test: ['pytest'] }
  const python = planOf({ 'requirements.txt': '', Procfile: 'web: python x.py' }, { build })
  const pnpm = planOf({ 'package.json': json(START), 'pnpm-lock.yaml': '' }, { build: { kind: 'auto', test: ['pnpm', 'test'] } })

  expect(python.steps.find(({ phase }) => phase === 'test')?.env?.['PATH']).toMatch(/^\/app\/\.venv\/bin:/)
  expect(pnpm.steps.find(({ phase }) => phase === 'test')?.env?.['PATH']).toMatch(/^\/app\/\.lockgate\/bin:/)
})

test('any language is built by steps of its own', () => {
  const manifest: Manifest = {
    build: { kind: 'steps', builder: 'rust:1', steps: [['cargo', 'build']], output: 'target' },
    processes: { web: { command: ['/app/shop'] } },
  }

  expect(planOf({ 'Cargo.toml': '' }, manifest)).toMatchObject({ kind: 'steps', builder: { image: 'rust:1' }, command: ['/app/shop'] })
  expect(refusal({ 'Cargo.toml': '' }, { build: manifest.build })).toContain('set processes.web.command')
})

test('make finds the tools of the language whose files are there', () => {
  const Makefile = 'build:\n\ttar czf code.tar.gz x\nrun:\n\t./x\n'

  expect(planOf({ Makefile, 'go.mod': 'module x\n\ngo 1.26\n' })).toMatchObject({ builder: { base: 'go-build', version: '1.26.11' }, runner: { base: 'base' } })
  expect(planOf({ Makefile, 'requirements.txt': '', '.python-version': '3.11' })).toMatchObject({ runner: { base: 'python', version: '3.11' } })
  expect(planOf({ Makefile })).toMatchObject({ builder: { base: 'node-build', version: null }, runner: { base: 'node', version: null } })
})

test.each<[string, Record<string, string>]>([
  ['a version', { 'package.json': '{}', 'server.js': '', '.nvmrc': `24${' '.repeat(900_000)}x` }],
  ['a range', { 'requirements.txt': '', 'pyproject.toml': `[project]\nrequires-python = ">=3.11${' '.repeat(900_000)}x"` }],
  ['a Makefile', { Makefile: `all${' '.repeat(900_000)}x\nbuild:\n\ttar code.tar.gz\nrun:\n\ttrue\n` }],
  ['a lock file', { 'package.json': '{"packageManager":"pnpm@9.0.0"}', 'server.js': '', 'pnpm-lock.yaml': `lockfileVersion: 9\n${'\n'.repeat(900_000)}x` }],
])('%s of almost a megabyte of blanks is answered at once', (_what, texts) => {
  const began = performance.now()
  refusal(texts)
  expect(performance.now() - began).toBeLessThan(1_000)
})
