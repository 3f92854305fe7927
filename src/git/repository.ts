import { chmod, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { AppName } from '../core/app/app.ts'
import type { Source } from '../core/build/source.ts'
import { InvalidError, NotFoundError } from '../lib/errors.ts'
import { makeFolder, readIfThere } from '../lib/files.ts'
import { randomWord } from '../lib/ids.ts'
import { launch, run } from '../lib/run.ts'

/** What a person may name: branch, tag or commit. No leading "-", no "..", no "@{", nothing git would read as syntax. */
const REF = /^(?!.*(\.\.|\/\/|@\{|\.lock$|\.lock\/|\/\.))[A-Za-z0-9_][A-Za-z0-9._/+-]{0,254}$/
const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/
const LARGEST_READ = 1024 * 1024
/** A push larger than this is refused. */
export const LARGEST_PUSH_BYTES = 1024 ** 3

/** The environment of every git program: nothing of the host's configuration, no prompt, no other protocols. */
export const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'https:ssh',
  HOME: '/nonexistent',
  LC_ALL: 'C.UTF-8',
}

/** The bare repositories of the apps, one folder each; the only code that runs git on them. */
export class Repositories implements Source {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  pathOf(app: AppName): string {
    return join(this.#directory, `${app}.git`)
  }

  /** Makes the repository when there is none. The commits of a push go through our hook and move no branch by themselves. */
  async ensure(app: AppName): Promise<string> {
    const path = this.pathOf(app)
    if ((await readIfThere(join(path, 'HEAD'))) !== null) return path
    const hooks = await this.#ensureHooks()
    await makeFolder(this.#directory, 0o700)
    const fresh = `${path}.${randomWord(6)}.tmp`
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', '--', fresh], { env: GIT_ENVIRONMENT })
    for (const [key, value] of Object.entries(configuration(hooks))) await run('git', ['config', '--', key, value], { env: GIT_ENVIRONMENT, cwd: fresh })
    await rename(fresh, path)
    return path
  }

  async resolve(app: AppName, ref: string): Promise<{ ref: string; commitId: string }> {
    const path = await this.ensure(app)
    if (!REF.test(ref) && !ref.startsWith('refs/'))
      throw new InvalidError('ref.invalid', `"${ref.slice(0, 100)}" is not the name of a branch, a tag or a commit.`)
    for (const candidate of [`refs/heads/${ref}`, `refs/tags/${ref}`, ref]) {
      const commitId = await this.#commitOf(path, candidate)
      if (commitId) return { ref: candidate.startsWith('refs/') ? candidate : `refs/commits/${commitId}`, commitId }
    }
    const pushed = await run('git', ['for-each-ref', '--count=1', 'refs/lockgate/pushes'], { env: GIT_ENVIRONMENT, cwd: path })
    const nothing = pushed.stdout.trim() === ''
    throw new NotFoundError(
      'ref.not_found',
      nothing ? `Nothing was pushed to ${app} yet. "git push lockgate main" does that.` : `${app} has no branch, tag or commit "${ref}".`,
    )
  }

  /** Where a full ref stands; null when there is none. */
  async commitOf(app: AppName, ref: string): Promise<string | null> {
    return this.#commitOf(await this.ensure(app), ref)
  }

  /** Whether the history of `commit` holds `ancestor`. */
  async isAncestor(app: AppName, ancestor: string, commit: string): Promise<boolean> {
    const { status } = await run('git', ['merge-base', '--is-ancestor', checked(ancestor), checked(commit)], {
      env: GIT_ENVIRONMENT,
      cwd: this.pathOf(app),
      anyStatus: true,
    })
    return status === 0
  }

  async #commitOf(path: string, name: string): Promise<string | null> {
    const { stdout, status } = await run('git', ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`], {
      env: GIT_ENVIRONMENT,
      cwd: path,
      anyStatus: true,
    })
    const commitId = stdout.trim()
    return status === 0 && COMMIT.test(commitId) ? commitId : null
  }

  async files(app: AppName, commitId: string): Promise<string[]> {
    const { stdout } = await run('git', ['ls-tree', '-r', '-z', '--name-only', '--full-tree', '--end-of-options', checked(commitId)], {
      env: GIT_ENVIRONMENT,
      cwd: this.pathOf(app),
    })
    return stdout
      .split('\0')
      .filter((path) => path !== '')
      .sort()
  }

  async read(app: AppName, commitId: string, path: string): Promise<string | null> {
    const object = `${checked(commitId)}:${path}`
    const size = await run('git', ['cat-file', '-s', object], { env: GIT_ENVIRONMENT, cwd: this.pathOf(app), anyStatus: true })
    if (size.status !== 0) return null
    if (Number(size.stdout) > LARGEST_READ)
      throw new InvalidError('source.file_too_large', `${path} is larger than 1 MiB; a file that says how to build is small.`)
    return (await run('git', ['cat-file', 'blob', object], { env: GIT_ENVIRONMENT, cwd: this.pathOf(app) })).stdout
  }

  tar(app: AppName, commitId: string): NodeJS.ReadableStream {
    const child = launch('git', ['archive', '--format=tar', '--end-of-options', checked(commitId)], { env: GIT_ENVIRONMENT, cwd: this.pathOf(app) })
    const out = new PassThrough()
    child.stdin?.end()
    child.stdout?.pipe(out, { end: false })
    child.on('error', (error) => out.destroy(error))
    child.on('close', (code) => (code === 0 ? out.end() : out.destroy(new Error(`git archive exited with ${code}`))))
    return out
  }

  /** Points a ref at a commit; null removes it. */
  async setRef(app: AppName, ref: string, commitId: string | null): Promise<void> {
    const args = commitId === null ? ['update-ref', '-d', '--', ref] : ['update-ref', '--', ref, checked(commitId)]
    await run('git', args, { env: GIT_ENVIRONMENT, cwd: this.pathOf(app) })
  }

  async remove(app: AppName): Promise<void> {
    const path = this.pathOf(app)
    const trash = `${path}.${randomWord(6)}.removed`
    await rename(path, trash).catch(() => undefined)
    await rm(trash, { recursive: true, force: true })
  }

  /** One folder of hooks for all repositories: a file git can start, which hands over to our program. */
  async #ensureHooks(): Promise<string> {
    const folder = join(this.#directory, 'hooks')
    await makeFolder(folder, 0o700)
    const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './hook.ts' : './hook.js', import.meta.url))
    const file = join(folder, 'proc-receive')
    await writeFile(file, `#!${process.execPath}\nimport(${JSON.stringify(program)})\n`)
    await chmod(file, 0o700)
    return folder
  }

  /** Writes the hooks anew: after an upgrade they lead to the new program. */
  async refreshHooks(): Promise<void> {
    await this.#ensureHooks()
  }
}

function configuration(hooks: string): Record<string, string> {
  return {
    'core.hooksPath': hooks,
    'http.receivepack': 'true',
    'receive.procReceiveRefs': 'refs',
    // A shallow clone may push: a build needs the tree, not the history.
    'receive.shallowUpdate': 'true',
    'receive.maxInputSize': String(LARGEST_PUSH_BYTES),
    'receive.fsckObjects': 'false',
    'receive.autogc': 'false',
    'uploadpack.hideRefs': 'refs/lockgate',
    'receive.hideRefs': 'refs/lockgate',
    'core.logAllRefUpdates': 'false',
  }
}

function checked(commitId: string): string {
  if (!COMMIT.test(commitId)) throw new InvalidError('ref.invalid', 'A commit is 40 or 64 hexadecimal digits.')
  return commitId
}
