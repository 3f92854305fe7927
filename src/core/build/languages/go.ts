import { assemble, nearly, notThis, saidCommand } from '../assemble.ts'
import type { BuildPlan, Checkout, Language, NotThis } from '../build-plan.ts'
import { askOf, goVersion, type Version } from '../versions.ts'

const PROGRAM = 'bin/app'
const WITHOUT_C = { CGO_ENABLED: '0' }
/** Parts in C, which a static binary cannot have. */
const WITH_C =
  /^\s*(?:require\s+)?(github\.com\/mattn\/go-sqlite3|github\.com\/confluentinc\/confluent-kafka-go\S*|github\.com\/h2non\/bimg|gopkg\.in\/gographics\/imagick\S*)\s/m

/** A Go module with one main package: a static binary beside the files of the repository. */
export const go: Language = {
  kind: 'go',
  called: 'a Go app',
  reads: (files) => ['go.mod', 'Procfile', ...files.filter(isSource)],
  plan,
}

/** Where the main package of a server usually stands: the root, or a folder of `cmd`. */
function isSource(file: string): boolean {
  return /^(cmd\/[^/]+\/)?[^/]+\.go$/.test(file) && !file.endsWith('_test.go')
}

function plan(checkout: Checkout): BuildPlan | NotThis {
  const { files, texts } = checkout
  if (!files.includes('go.mod')) return notThis('there is no go.mod')
  const [, withC] = WITH_C.exec(texts['go.mod'] ?? '') ?? []
  if (withC !== undefined)
    return nearly(`${withC} is written in C, and Go apps are built without: use a package in Go alone, a Dockerfile, or a builder image of your own`)
  if (/^require\s/m.test(texts['go.mod'] ?? '') && !files.includes('go.sum') && !files.includes('vendor/modules.txt'))
    return nearly('there is no go.sum, which says what the modules must be: run "go mod tidy" and commit the go.sum it writes')
  const main = mainPackage(checkout)
  if (main.length !== 1) return nearly(whichMain(main))
  const version = goBase(checkout)
  const isVendored = files.includes('vendor/modules.txt')
  const run = ['go', 'build', ...(isVendored ? ['-mod=vendor'] : []), '-trimpath', '-ldflags=-s -w', '-o', PROGRAM, main[0] ?? '.']
  const command = saidCommand(checkout)?.command ?? [`/app/${PROGRAM}`]
  return assemble(checkout, {
    kind: 'go',
    why: [
      `found go.mod${isVendored ? ' and vendor' : ''} with the program ${main[0]}`,
      ...(version.why === '' ? [] : [version.why]),
      `runs ${command.join(' ')}`,
    ],
    builder: { base: 'go-build', version: version.version },
    build: [{ name: `go build -o ${PROGRAM} ${main[0]}`, run, phase: 'build', env: WITHOUT_C }],
    stepEnv: WITHOUT_C,
    taken: { kind: 'folder', path: '' },
    runner: { base: 'base', version: null },
    command,
  })
}

/** Which Go a checkout asks for. */
export function goBase(checkout: Checkout): Version {
  const line = (word: string) => (text: string) => new RegExp(`^${word}\\s+(?:go)?(\\S+)`, 'm').exec(text)?.[1]
  return goVersion(
    askOf(checkout, [
      ['go.mod', line('toolchain')],
      ['go.mod', line('go')],
    ]),
  )
}

/** Folders that hold a program, as `go build` takes them. */
function mainPackage({ files, texts }: Checkout): string[] {
  const folders = new Set<string>()
  for (const file of files.filter(isSource)) {
    const isProgram = /^package main\b/m.test(texts[file] ?? '') && !/^\/\/go:build (ignore|tools)/m.test(texts[file] ?? '')
    if (isProgram) folders.add(file.includes('/') ? `./${file.slice(0, file.lastIndexOf('/'))}` : '.')
  }
  return folders.has('.') ? ['.'] : [...folders]
}

function whichMain(found: readonly string[]): string {
  const what = found.length === 0 ? 'no package main is in the root or in a folder of cmd' : `there are several programs: ${found.join(', ')}`
  return `${what}: say which in lockgate.yaml, such as build.steps: ["go build -o ${PROGRAM} ./cmd/shop"] with processes.web.command: /app/${PROGRAM}`
}
