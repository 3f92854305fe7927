import { assemble, notThis } from '../assemble.ts'
import type { BaseChoice, BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'
import type { Version } from '../versions.ts'
import { go, goBase } from './go.ts'
import { node, nodeBases } from './node.ts'
import { php, phpBase } from './php.ts'
import { python, pythonBase } from './python.ts'

const MAKEFILES = ['GNUmakefile', 'makefile', 'Makefile']
const ARCHIVE = 'code.tar.gz'

/** The Makefile contract: `make build` leaves code.tar.gz, which is the app; `make test` where there is one; `make run`. */
export const makefile: Language = {
  kind: 'makefile',
  called: 'an app with a Makefile',
  reads: (files) => [...MAKEFILES, ...[node, python, go, php].flatMap((language) => language.reads(files))],
  plan,
}

function plan(checkout: Checkout): BuildPlan | NotThis {
  const { files, texts } = checkout
  const name = MAKEFILES.find((file) => files.includes(file))
  const text = name === undefined ? null : (texts[name] ?? null)
  if (!name || text === null) return notThis('there is no Makefile')
  const targets = targetsOf(text)
  const missing = ['build', 'run'].filter((target) => !targets.has(target))
  if (missing.length > 0) return notThis(`the ${name} has no target ${missing.join(' and no target ')}`)
  if (!text.includes(ARCHIVE)) return notThis(`the ${name} does not name ${ARCHIVE}, which make build has to leave`)
  const tools = toolsOf(checkout)
  return assemble(checkout, {
    kind: 'makefile',
    why: [`the ${name} has the targets build and run and names ${ARCHIVE}`, ...tools.why],
    builder: tools.builder,
    build: [{ name: 'make build', run: ['make', 'build'], phase: 'build' }],
    test: targets.has('test') ? [{ name: 'make test', run: ['make', 'test'], phase: 'test' }] : [],
    taken: { kind: 'archive', path: ARCHIVE },
    runner: tools.runner,
    command: ['make', 'run'],
  })
}

interface Tools {
  readonly builder: BaseChoice
  readonly runner: BaseChoice
  readonly why: readonly string[]
}

/** What make finds beside itself: the language whose files are there, in the version they ask for; else Node. */
function toolsOf(checkout: Checkout): Tools {
  const has = (...names: readonly string[]): boolean => names.some((name) => checkout.files.includes(name))
  if (has('go.mod')) return toolsIn({ builder: 'go-build', runner: 'base' }, goBase(checkout), 'go.mod')
  if (has('composer.json')) return toolsIn({ builder: 'php-build', runner: 'php' }, phpBase(checkout), 'composer.json')
  // What a Makefile will install is not known: compilers are there for it.
  if (has('requirements.txt', 'pyproject.toml')) return toolsIn({ builder: 'python-native', runner: 'python' }, pythonBase(checkout), 'Python, with compilers')
  const found = nodeBases(checkout)
  if (found === null) return { builder: { base: 'node-build', version: null }, runner: { base: 'node', version: null }, why: [] }
  return toolsIn({ builder: found.compiled === null ? 'node-build' : 'node-native', runner: 'node' }, found, 'package.json')
}

function toolsIn(bases: { readonly builder: BaseChoice['base']; readonly runner: BaseChoice['base'] }, { version, why }: Version, sign: string): Tools {
  const runner = { base: bases.runner, version: bases.runner === 'base' ? null : version }
  return { builder: { base: bases.builder, version }, runner, why: [`with the tools for ${sign}`, ...(why === '' ? [] : [why])] }
}

function targetsOf(text: string): ReadonlySet<string> {
  const targets = new Set<string>()
  for (const line of text.split('\n')) {
    // The blanks before the colon are part of the names here: told apart by the expression, a long line of them would take minutes.
    const [, names] = /^([A-Za-z0-9_./%-][A-Za-z0-9_./%\s-]*):(?!:?:?=)/.exec(line) ?? []
    for (const name of names?.trim().split(/\s+/) ?? []) targets.add(name)
  }
  return targets
}
