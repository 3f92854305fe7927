import type { BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'

const MAKEFILES = ['GNUmakefile', 'makefile', 'Makefile']
const ARCHIVE = 'code.tar.gz'

/** The Makefile contract: `make build` leaves code.tar.gz, which is the app; `make test` where there is one; `make run`. */
export const makefile: Language = {
  kind: 'makefile',
  called: 'an app with a Makefile',
  reads: () => MAKEFILES,
  plan,
}

function plan({ files, texts }: Checkout): BuildPlan | NotThis {
  const name = MAKEFILES.find((file) => files.includes(file))
  const text = name === undefined ? null : (texts[name] ?? null)
  if (!name || text === null) return { not: 'there is no Makefile', isNear: false }
  const targets = targetsOf(text)
  const missing = ['build', 'run'].filter((target) => !targets.has(target))
  if (missing.length > 0) return { not: `the ${name} has no target ${missing.join(' and no target ')}`, isNear: false }
  if (!text.includes(ARCHIVE)) return { not: `the ${name} does not name ${ARCHIVE}, which make build has to leave`, isNear: false }
  return {
    kind: 'makefile',
    why: [`the ${name} has the targets build and run and names ${ARCHIVE}`],
    builder: { base: 'node-build', version: null },
    steps: [
      { name: 'make build', run: ['make', 'build'], phase: 'build' },
      ...(targets.has('test') ? [{ name: 'make test', run: ['make', 'test'], phase: 'test' } as const] : []),
    ],
    taken: { kind: 'archive', path: ARCHIVE },
    runner: { base: 'node', version: null },
    command: ['make', 'run'],
    env: {},
    releaseCommand: null,
  }
}

function targetsOf(text: string): ReadonlySet<string> {
  const targets = new Set<string>()
  for (const line of text.split('\n')) {
    const [, names] = /^([A-Za-z0-9_./%-][A-Za-z0-9_./% -]*?)\s*:(?!:?:?=)/.exec(line) ?? []
    for (const name of names?.split(/\s+/) ?? []) targets.add(name)
  }
  return targets
}
