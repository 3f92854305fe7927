import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { AppName } from '../core/app/app.ts'
import type { Place, Source, Tree } from '../core/build/source.ts'
import type { CodeSource } from '../core/source/source.ts'
import type { RemoteUrl } from '../core/source/url.ts'
import { InvalidError, NotFoundError } from '../lib/errors.ts'
import { makeFolder, readIfThere } from '../lib/files.ts'
import { randomWord } from '../lib/ids.ts'
import { isRefName, isShortRefName } from '../lib/ref-name.ts'
import { run } from '../lib/run.ts'
import { GIT_ENVIRONMENT } from './environment.ts'
import { forgetRefs } from './forget-refs.ts'
import { fetchRemote, listRemote, makeDeployKey, type Remote } from './remote.ts'
import { bytesBelow, removeHalfReceived } from './sweep.ts'
import { openTree, readBlob, treeIdOf } from './tree.ts'
import { keepUpload } from './upload.ts'

const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/
/** A push larger than this is refused. */
export const LARGEST_PUSH_BYTES = 1024 ** 3

/** How code comes in from elsewhere for an app: what submodules need. */
export interface Elsewhere {
  /** The URL the app's code is fetched from; null: it is pushed. */
  baseOf(app: AppName): Promise<RemoteUrl | null>
  /** Brings one commit of another repository into this one; throws what `fetchRemote` throws. */
  fetchCommit(what: { readonly app: AppName; readonly repository: string; readonly url: RemoteUrl; readonly commitId: string }): Promise<void>
  /** A source with its credential opened, for git. */
  remoteOf(source: CodeSource): Remote
  /** The ssh host keys of a URL's host. */
  hostKeys(url: string): Promise<string>
  readonly allowHttp: boolean
}

/** The bare repositories of the apps, one folder each; the only code that runs git on them. */
export class Repositories implements Source {
  readonly #directory: string
  readonly #elsewhere: Elsewhere
  readonly #quotaBytes: number
  readonly #making = new Map<AppName, Promise<void>>()

  constructor(directory: string, elsewhere: Elsewhere, quotaBytes = 5 * 1024 ** 3) {
    this.#directory = directory
    this.#elsewhere = elsewhere
    this.#quotaBytes = quotaBytes
  }

  pathOf(app: AppName): string {
    return join(this.#directory, `${app}.git`)
  }

  /** Makes the repository when there is none. The commits of a push go through our hook and move no branch by themselves. */
  async ensure(app: AppName): Promise<string> {
    const path = this.pathOf(app)
    if ((await readIfThere(join(path, 'HEAD'))) !== null) return path
    // The first pushes of an app may come side by side.
    const underWay = this.#making.get(app) ?? this.#make(path).finally(() => this.#making.delete(app))
    this.#making.set(app, underWay)
    await underWay
    return path
  }

  async #make(path: string): Promise<void> {
    // Another call may have made it between our look and our turn.
    if ((await readIfThere(join(path, 'HEAD'))) !== null) return
    const hooks = await this.#ensureHooks()
    await makeFolder(this.#directory, 0o700)
    const fresh = `${path}.${randomWord(6)}.tmp`
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', '--', fresh], { env: GIT_ENVIRONMENT })
    for (const [key, value] of Object.entries(configuration(hooks))) await run('git', ['config', '--', key, value], { env: GIT_ENVIRONMENT, cwd: fresh })
    // A build sees what a checkout would hold: nothing of it is left out or rewritten for archives (gitattributes(5)).
    await mkdir(join(fresh, 'info'), { recursive: true })
    await writeFile(join(fresh, 'info', 'attributes'), '* -export-ignore -export-subst\n')
    await rename(fresh, path)
  }

  /** Throws InvalidError `push.no_room` when the repository has reached its quota. */
  async mustHaveRoom(app: AppName): Promise<void> {
    const bytes = await bytesBelow(await this.ensure(app))
    if (bytes < this.#quotaBytes) return
    const megabytes = (size: number): number => Math.round(size / 1024 ** 2)
    throw new InvalidError(
      'push.no_room',
      `The repository of ${app} takes ${megabytes(bytes)} MB, and ${megabytes(this.#quotaBytes)} MB is its quota. Remove large files from the history, or raise "repositoryMegabytes" in the settings.`,
    )
  }

  /** Removes what git programs of a server that was killed left half written. To be called before anything is received. */
  async sweep(): Promise<void> {
    await removeHalfReceived(this.#directory)
  }

  async resolve(app: AppName, ref: string): Promise<{ ref: string; commitId: string }> {
    const path = await this.ensure(app)
    if (!(ref.startsWith('refs/') ? isRefName(ref) : isShortRefName(ref)))
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

  async open({ app, commitId, root }: Place): Promise<Tree> {
    const repository = this.pathOf(app)
    const base = await this.#elsewhere.baseOf(app)
    const fetchCommit = (url: RemoteUrl, commit: string): Promise<void> => this.#elsewhere.fetchCommit({ app, repository, url, commitId: checked(commit) })
    return openTree({ repository, base, allowHttp: this.#elsewhere.allowHttp, fetchCommit }, checked(commitId), root)
  }

  async treeOf({ app, commitId, root }: Place): Promise<string> {
    return treeIdOf(this.pathOf(app), checked(commitId), root)
  }

  async read({ app, commitId, root }: Place, path: string): Promise<string | null> {
    return readBlob(this.pathOf(app), `${checked(commitId)}:${root === '' ? '' : `${root}/`}${path}`, path)
  }

  async changed(app: AppName, from: string, to: string): Promise<string[] | null> {
    const { stdout, status } = await run('git', ['diff', '--name-only', '--no-renames', '-z', checked(from), checked(to), '--'], {
      env: GIT_ENVIRONMENT,
      cwd: this.pathOf(app),
      anyStatus: true,
    })
    return status === 0 ? stdout.split('\0').filter((path) => path !== '') : null
  }

  async upload(app: AppName, archive: Readable, by: { readonly author: string; readonly at: number }): Promise<{ ref: string; commitId: string }> {
    const repository = await this.ensure(app)
    const ref = `refs/lockgate/uploads/${randomWord(10)}`
    await keepUpload(archive, { repository, ref, ...by })
    const commitId = await this.#commitOf(repository, ref)
    if (commitId === null) throw new Error('git kept nothing of an upload')
    return { ref, commitId }
  }

  look(source: CodeSource): Promise<Readonly<Record<string, string>>> {
    return listRemote(this.#elsewhere.remoteOf(source))
  }

  async fetch(app: AppName, source: CodeSource, refs: readonly string[]): Promise<void> {
    const repository = await this.ensure(app)
    await fetchRemote(
      repository,
      this.#elsewhere.remoteOf(source),
      refs.map((ref) => `+${ref}:${ref.replace(/^refs\//, 'refs/lockgate/source/')}`),
    )
  }

  hostKeys(url: string): Promise<string> {
    return this.#elsewhere.hostKeys(url)
  }

  makeKey(comment: string): Promise<{ privateKey: string; publicKey: string }> {
    return makeDeployKey(comment)
  }

  async keepOnly(app: AppName, commits: () => Promise<ReadonlySet<string>>): Promise<void> {
    await forgetRefs(await this.ensure(app), commits)
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
