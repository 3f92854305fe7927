// A person at a terminal: a home of their own, the command line signed in, and a real git.
import type { ChildProcess } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch, type RunResult, run } from '../../src/lib/run.ts'
import { ownFolder } from './folder.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Files by their path; `executable` ones are not needed here. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** What a program said, both streams together as a terminal shows them, and how it ended. */
export interface Said extends RunResult {
  readonly all: string
}

export interface Running {
  readonly child: ChildProcess
  said(): string
  /** Resolves with its exit status; a signal counts as 128. */
  ended: Promise<number>
  /** Ctrl-C: to it and everything it started. */
  interrupt(): Promise<void>
}

export interface Person {
  readonly home: string
  /** Runs the command line to its end; any exit status. */
  lockgate(
    args: readonly string[],
    options?: { readonly cwd?: string; readonly input?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<Said>
  /** Runs git to its end; any exit status. */
  git(folder: string, ...args: readonly string[]): Promise<Said>
  /** Starts a program of this person's and does not wait. */
  start(file: 'git' | 'lockgate', args: readonly string[], cwd: string): Running
  /** A repository on branch main with one commit of these files; `example` copies one of examples/ first. */
  repository(name: string, content: { readonly example?: string; readonly files?: Files }): Promise<string>
  /** Writes files, commits them, and gives the commit. */
  commit(folder: string, files: Files, message?: string): Promise<string>
  leave(): Promise<void>
}

/** Somebody signed in to a server with a token; null: not signed in. */
export async function aPerson(apiUrl: string, token: string | null): Promise<Person> {
  const home = ownFolder('home')
  const program = join(home, 'bin', 'lockgate')
  await mkdir(dirname(program))
  // What bin/lockgate does without a build: the tests are about the sources.
  await writeFile(program, `#!/bin/sh\nLOCKGATE_PROGRAM=${program} exec ${process.execPath} ${join(ROOT, 'src/cli/main.ts')} "$@"\n`, { mode: 0o755 })
  const env = {
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.net',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.net',
    NO_COLOR: '1',
  }
  const finish = (result: RunResult): Said => ({ ...result, all: `${result.stdout}${result.stderr}` })
  const person: Person = {
    home,
    lockgate: async (args, options = {}) =>
      finish(
        await run(program, args, {
          env: { ...env, LOCKGATE_URL: apiUrl, ...options.env },
          cwd: options.cwd ?? home,
          anyStatus: true,
          timeoutMs: 150_000,
          ...(options.input === undefined ? {} : { input: options.input }),
        }),
      ),
    git: async (folder, ...args) => finish(await run('git', args, { env, cwd: folder, anyStatus: true, timeoutMs: 150_000 })),
    start: (file, args, cwd) => {
      const child = launch(file === 'git' ? 'git' : program, args, { env: { ...env, LOCKGATE_URL: apiUrl }, cwd })
      let said = ''
      const hear = (chunk: Buffer): void => {
        said += chunk.toString()
      }
      child.stdout?.on('data', hear)
      child.stderr?.on('data', hear)
      child.stdin?.end()
      const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 128)))
      return { child, said: () => said, ended, interrupt: () => interrupt(child.pid ?? 0) }
    },
    repository: async (name, content) => {
      const folder = join(home, name)
      if (content.example === undefined) await mkdir(folder)
      else await cp(join(ROOT, 'examples', content.example), folder, { recursive: true })
      await well(person.git(folder, 'init', '--quiet', '--initial-branch=main'))
      await person.commit(folder, content.files ?? {}, 'first')
      return folder
    },
    commit: async (folder, files, message = 'next') => {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), text)
      }
      await well(person.git(folder, 'add', '--all'))
      await well(person.git(folder, 'commit', '--quiet', '--allow-empty', '-m', message))
      return (await well(person.git(folder, 'rev-parse', 'HEAD'))).stdout.trim()
    },
    leave: () => rm(home, { recursive: true, force: true }),
  }
  if (token !== null) await well(person.lockgate(['login', apiUrl, '--token'], { input: token }))
  return person
}

async function interrupt(pid: number): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  process.kill(pid, 'SIGINT')
  for (const child of children.split(' ').filter((word) => word !== '')) await interrupt(Number(child)).catch(() => undefined)
}

/** Throws with everything it said unless a program ended well. */
export async function well(running: Promise<Said>): Promise<Said> {
  const said = await running
  if (said.status !== 0) throw new Error(`exit ${said.status}: ${said.all}`)
  return said
}
