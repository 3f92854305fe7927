import { assemble, nearly, notThis, saidCommand } from '../assemble.ts'
import type { BuildPlan, Checkout, Language, NotThis, PlannedStep } from '../build-plan.ts'
import { type Ask, askOf, firstLine, pythonVersion, type Version } from '../versions.ts'
import { BUILD_ENV, PYTHON_ENV, type PythonPackages, projectOf, pythonPackages } from './python-packages.ts'

const SIGNS = ['requirements.txt', 'uv.lock', 'poetry.lock', 'pyproject.toml', 'Pipfile', 'setup.py', 'manage.py']
/** Where the app of Flask and FastAPI usually stands. */
const MODULES = ['app.py', 'main.py', 'wsgi.py', 'asgi.py', 'application.py', 'server.py']

/** A Python app: its packages in /app/.venv, started by its Procfile or by a server of its lock. */
export const python: Language = {
  kind: 'python',
  called: 'a Python app',
  reads: (files) => ['.python-version', 'runtime.txt', 'Procfile', ...SIGNS, ...MODULES, ...files.filter((file) => /^[A-Za-z_]\w*\/settings\.py$/.test(file))],
  plan,
}

function plan(checkout: Checkout): BuildPlan | NotThis {
  const { files } = checkout
  if (!SIGNS.some((name) => files.includes(name))) return notThis('there is no requirements.txt, uv.lock or poetry.lock')
  const packages = pythonPackages(checkout)
  const command = saidCommand(checkout)?.command ?? conventional(checkout, packages)
  if (!Array.isArray(command)) return nearly(command as string)
  const version = pythonBase(checkout)
  return assemble(checkout, {
    kind: 'python',
    why: [
      `found ${packages.lock}`,
      ...(version.why === '' ? [] : [version.why]),
      ...(packages.compiled === null ? [] : [`with compilers, for ${packages.compiled}`]),
      `runs ${command.join(' ')}`,
      ...packages.warnings,
    ],
    builder: { base: packages.compiled === null ? 'python-build' : 'python-native', version: version.version },
    install: packages.install,
    build: collected(checkout),
    finish: packages.finish,
    taken: { kind: 'folder', path: '' },
    runner: { base: 'python', version: version.version },
    command,
    env: PYTHON_ENV,
    stepEnv: BUILD_ENV,
  })
}

/** Which Python a checkout asks for. */
export function pythonBase(checkout: Checkout): Version {
  const { project, tool } = projectOf(checkout)
  const poetry = tool?.poetry?.dependencies?.['python']
  const requires = project?.['requires-python'] ?? (typeof poetry === 'string' ? poetry : undefined)
  const inProject: Ask | null = requires === undefined ? null : { file: 'requires-python of pyproject.toml', wants: requires }
  return pythonVersion(
    askOf(checkout, [
      ['.python-version', firstLine],
      ['runtime.txt', firstLine],
    ]) ?? inProject,
  )
}

/** How an app of Django, Flask or FastAPI is started by a server that its lock has; a string says what is missing. */
function conventional(checkout: Checkout, { has, lock }: PythonPackages): readonly string[] | string {
  const app = djangoOf(checkout) ?? moduleOf(checkout)
  if (app === null)
    return 'nothing says how it is started: add a Procfile with a line such as "web: gunicorn shop.wsgi", or processes.web.command to lockgate.yaml'
  // Both listen on PORT: gunicorn by itself, uvicorn when it is told.
  if (app.isAsync && has('uvicorn')) return ['sh', '-c', `exec uvicorn ${app.name} --host 0.0.0.0 --port "$PORT"`]
  if (!app.isAsync && has('gunicorn')) return ['gunicorn', app.name]
  const server = app.isAsync ? 'uvicorn' : 'gunicorn'
  return `${lock} has no ${server} to run ${app.name} with: add ${server} to the packages, or say in a Procfile how it is started`
}

interface PythonApp {
  readonly name: string
  readonly isAsync: boolean
}

function djangoOf({ files }: Checkout): PythonApp | null {
  if (!files.includes('manage.py')) return null
  const wsgi = files.filter((file) => /^[A-Za-z_]\w*\/wsgi\.py$/.test(file))
  return wsgi.length === 1 ? { name: (wsgi[0] ?? '').replace('/', '.').replace(/\.py$/, ''), isAsync: false } : null
}

function moduleOf({ files, texts }: Checkout): PythonApp | null {
  for (const file of MODULES.filter((name) => files.includes(name))) {
    const [, name, framework] = /^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:\w+\.)?(Flask|FastAPI|Starlette|Quart)\(/m.exec(texts[file] ?? '') ?? []
    if (name !== undefined) return { name: `${file.replace(/\.py$/, '')}:${name}`, isAsync: framework !== 'Flask' }
  }
  return null
}

/** Django's own way of gathering the files that are served, where its settings say where to. */
function collected({ files, texts }: Checkout): PlannedStep[] {
  const settings = files.find((file) => /^[A-Za-z_]\w*\/settings\.py$/.test(file) && /^STATIC_ROOT\s*=/m.test(texts[file] ?? ''))
  if (!files.includes('manage.py') || settings === undefined) return []
  const run = ['python', 'manage.py', 'collectstatic', '--noinput']
  return [{ name: run.join(' '), run, phase: 'build', env: PYTHON_ENV }]
}
