import { parse } from 'smol-toml'
import { z } from 'zod'
import { plainlyDecoded } from '../../../lib/text.ts'
import { BuildFailure } from '../build-failure.ts'
import type { Checkout, PlannedStep } from '../build-plan.ts'
import { hasLocalPackage, isPipInstallClosed, isPoetryInstallClosed, isUvInstallClosed, localUvPackages, mayNameLocalFiles } from './closed-install.ts'

const UV = '0.13.9'
const POETRY = '2.5.1'
const TOOLS = '.lockgate'
const VENV = '.venv'
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** What an app runs with. */
export const PYTHON_ENV = { PATH: `/app/${VENV}/bin:${PATH}`, VIRTUAL_ENV: `/app/${VENV}`, PYTHONUNBUFFERED: '1' }
/** What its builds run with: the tools that install are there too. */
export const BUILD_ENV = { ...PYTHON_ENV, PATH: `/app/${VENV}/bin:/app/${TOOLS}/bin:${PATH}` }

/** Compiled where they are installed: these are in the package index as sources only. */
const COMPILED: readonly string[] = [
  'psycopg2',
  'mysqlclient',
  'uwsgi',
  'python-ldap',
  'pycairo',
  'pygraphviz',
  'pycurl',
  'xmlsec',
  'gevent',
  'netifaces',
  'pyaudio',
]

/** How the packages of a Python app are installed into /app/.venv. */
export interface PythonPackages {
  /** The file that says which, for people. */
  readonly lock: string
  readonly install: readonly PlannedStep[]
  readonly finish: readonly PlannedStep[]
  /** A package that has to be compiled; null: none. */
  readonly compiled: string | null
  /** Sentences about what is not as it should be. */
  readonly warnings: readonly string[]
  readonly has: (name: string) => boolean
}

const LockedPackages = z.object({
  package: z
    .array(
      z.object({
        name: z.string(),
        source: z.object({ virtual: z.string().optional(), editable: z.string().optional() }).optional().catch(undefined),
        sdist: z.unknown().optional(),
        wheels: z.array(z.unknown()).optional(),
        files: z.array(z.object({ file: z.string() })).optional(),
      }),
    )
    .default([]),
})
const Project = z.object({
  project: z.object({ name: z.string().optional(), 'requires-python': z.string().optional() }).optional(),
  'build-system': z.unknown().optional(),
  tool: z
    .object({
      poetry: z
        .object({
          name: z.string().optional(),
          packages: z.unknown().optional(),
          'package-mode': z.boolean().optional(),
          dependencies: z.record(z.string(), z.unknown()).optional(),
        })
        .optional(),
    })
    .optional(),
})
export type Project = z.infer<typeof Project>

/** pyproject.toml; {} where there is none. Throws BuildFailure `not_understood` when it is no TOML. */
export function projectOf(checkout: Checkout): Project {
  return tomlOf(checkout, 'pyproject.toml', Project) ?? {}
}

/** The packages of a checkout, by its lock file. Throws BuildFailure `not_understood` when nothing says which they are. */
export function pythonPackages(checkout: Checkout): PythonPackages {
  const { files } = checkout
  const isTested = checkout.manifest.build?.test !== undefined
  if (files.includes('uv.lock')) return ofUv(checkout, isTested)
  if (files.includes('poetry.lock')) return ofPoetry(checkout, isTested)
  if (files.includes('requirements.txt')) return ofPip(checkout)
  const hint = files.includes('Pipfile.lock')
    ? 'there is a Pipfile.lock, which is not understood: run "pipenv requirements > requirements.txt" and commit that'
    : 'there is no uv.lock, poetry.lock or requirements.txt, so that two builds could differ: run "uv lock" (or "pip freeze > requirements.txt") and commit what it writes'
  throw new BuildFailure('not_understood', `This looks like a Python app, but ${hint}`)
}

function ofUv(checkout: Checkout, isTested: boolean): PythonPackages {
  const lock = tomlOf(checkout, 'uv.lock', LockedPackages)
  const raw = tomlOf(checkout, 'uv.lock', z.unknown())
  const isClosed =
    projectOf(checkout)['build-system'] === undefined && isUvInstallClosed(checkout, { project: tomlOf(checkout, 'pyproject.toml', z.unknown()), lock: raw })
  const inputs = ['pyproject.toml', 'uv.lock', '.python-version'].filter((file) => checkout.files.includes(file))
  const keeps = isClosed ? { keeps: { inputs, outputs: [VENV] } } : {}
  const refreshed = localUvPackages(raw).map((name) => `--refresh-package=${name}`)
  const env = {
    ...BUILD_ENV,
    UV_CACHE_DIR: '/cache/uv',
    UV_LINK_MODE: 'copy',
    UV_PYTHON_DOWNLOADS: 'never',
    UV_PROJECT_ENVIRONMENT: `/app/${VENV}`,
    UV_COMPILE_BYTECODE: '1',
    UV_NO_PROGRESS: '1',
  }
  const sync = (...more: string[]): PlannedStep => {
    const run = ['uv', 'sync', '--locked', ...more]
    return { name: run.join(' '), run: [...run, ...refreshed], phase: 'install', env }
  }
  return {
    lock: 'uv.lock',
    install: [...venv('--without-pip'), ...fetched(`uv==${UV}`), { ...sync(...(isTested ? [] : ['--no-dev'])), ...keeps }],
    finish: [...(isTested ? [{ ...sync('--no-dev'), phase: 'build' } as const] : []), CLEAN],
    ...lockedFacts(lock, ({ sdist, wheels }) => sdist !== undefined && (wheels ?? []).length === 0),
  }
}

function ofPoetry(checkout: Checkout, isTested: boolean): PythonPackages {
  const lock = tomlOf(checkout, 'poetry.lock', LockedPackages)
  const isPackage = isPoetryPackage(checkout)
  const env = { ...BUILD_ENV, POETRY_CACHE_DIR: '/cache/poetry', POETRY_VIRTUALENVS_IN_PROJECT: 'true', POETRY_NO_INTERACTION: '1' }
  const install = (...more: string[]): PlannedStep => {
    const run = ['poetry', 'install', ...(isPackage ? [] : ['--no-root']), ...more]
    return { name: run.join(' '), run, phase: 'install', env }
  }
  const isClosed = !isPackage && isPoetryInstallClosed(checkout, tomlOf(checkout, 'poetry.lock', z.unknown()))
  const keeps = isClosed ? { keeps: { inputs: ['pyproject.toml', 'poetry.lock'], outputs: [VENV] } } : {}
  return {
    lock: 'poetry.lock',
    install: [...venv(), ...fetched(`poetry==${POETRY}`), { ...install('--compile', ...(isTested ? [] : ['--only', 'main'])), ...keeps }],
    finish: [...(isTested ? [{ ...install('--only', 'main', '--sync'), phase: 'build' } as const] : []), CLEAN],
    ...lockedFacts(lock, ({ files }) => files !== undefined && files.length > 0 && files.every(({ file }) => !file.endsWith('.whl'))),
  }
}

/** Poetry refuses to install a project itself that has no folder of its name. */
function isPoetryPackage(checkout: Checkout): boolean {
  const { project, tool } = projectOf(checkout)
  if (tool?.poetry?.['package-mode'] === false) return false
  if (tool?.poetry?.packages !== undefined) return true
  const folder = (project?.name ?? tool?.poetry?.name ?? '').toLowerCase().replace(/[-.]+/g, '_')
  return folder !== '' && checkout.files.some((file) => file === `${folder}/__init__.py` || file === `src/${folder}/__init__.py`)
}

function ofPip(checkout: Checkout): PythonPackages {
  const lines = requirementLines(checkout.texts['requirements.txt'] ?? '')
  const wanted = lines.filter((line) => /^[A-Za-z0-9]/.test(line))
  const names = wanted.map((line) => normalized(/^[A-Za-z0-9._-]+/.exec(line)?.[0] ?? ''))
  const unpinned = wanted.filter((line) => !/===?|@/.test(line))
  const keeps = isPipInstallClosed(lines) ? { keeps: { inputs: ['requirements.txt'], outputs: [VENV] } } : {}
  // What pip made of a folder of the app it keeps by the name of the folder.
  const uncached = mayNameLocalFiles(lines) && hasLocalPackage(checkout.files) ? ['--no-cache-dir'] : []
  const run = ['pip', 'install', '--disable-pip-version-check', '--progress-bar', 'off', ...uncached, '-r', 'requirements.txt']
  return {
    lock: 'requirements.txt',
    install: [...venv(), { name: 'pip install -r requirements.txt', run, phase: 'install', env: BUILD_ENV, ...keeps }],
    finish: [],
    compiled: COMPILED.find((name) => names.includes(name)) ?? null,
    warnings:
      unpinned.length === 0
        ? []
        : [`warning: ${unpinned.length} of ${wanted.length} lines of requirements.txt name no exact version, so that the next build may get others`],
    has: (name) => names.includes(name),
  }
}

/** The lines of a requirements file as pip joins them, without comments. */
function requirementLines(text: string): string[] {
  const joined = plainlyDecoded(text)
    .replace(/[ \t]*\\\r?\n[ \t]*/g, ' ')
    .split(/\r?\n/)
  return joined.map((line) => line.replace(/(^|\s)#.*$/, '').trim()).filter((line) => line !== '')
}

type Locked = z.infer<typeof LockedPackages>

function lockedFacts(lock: Locked | null, isSource: (one: Locked['package'][number]) => boolean): Pick<PythonPackages, 'compiled' | 'warnings' | 'has'> {
  const names = new Set((lock?.package ?? []).map(({ name }) => normalized(name)))
  const known = COMPILED.find((name) => names.has(name))
  const source = (lock?.package ?? []).find((one) => one.source?.virtual === undefined && one.source?.editable === undefined && isSource(one))
  return { compiled: known ?? source?.name ?? null, warnings: [], has: (name) => names.has(name) }
}

/** Its own interpreter, not a link to one: an app's image holds no link that leads out of the app. */
function venv(...more: string[]): PlannedStep[] {
  const run = ['python3', '-m', 'venv', '--copies', ...more, VENV]
  return [{ name: 'python3 -m venv .venv', run, phase: 'install', keeps: { inputs: [], outputs: [VENV] } }]
}

/** A program of the package index at a version, apart from what the app has; the same one comes from the cache the next time. */
function fetched(name: string): PlannedStep[] {
  const keeps = { inputs: [], outputs: [TOOLS] }
  return [
    { name: `python3 -m venv ${TOOLS}`, run: ['python3', '-m', 'venv', '--copies', TOOLS], phase: 'install', keeps },
    {
      name: `pip install ${name}`,
      run: [`${TOOLS}/bin/pip`, 'install', '--disable-pip-version-check', '--progress-bar', 'off', name],
      phase: 'install',
      keeps,
    },
  ]
}

const CLEAN: PlannedStep = { name: `rm -rf ${TOOLS}`, run: ['rm', '-rf', TOOLS], phase: 'build' }

function normalized(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}

function tomlOf<T>({ files, texts }: Checkout, name: string, schema: z.ZodType<T>): T | null {
  const text = files.includes(name) ? texts[name] : null
  if (text === null || text === undefined) return null
  try {
    return schema.parse(parse(text))
  } catch (error) {
    throw new BuildFailure('not_understood', `The ${name} cannot be read: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`)
  }
}
