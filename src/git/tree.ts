// The files of a commit as a build sees them: below the app's root, submodules in place, no LFS pointers for files.
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { extract } from 'tar-stream'
import type { Tree } from '../core/build/source.ts'
import { type RemoteUrl, readRemoteUrl, resolveRemoteUrl } from '../core/source/url.ts'
import { InvalidError, messageOf, NotFoundError, RejectedError, UnavailableError } from '../lib/errors.ts'
import { launch, run } from '../lib/run.ts'
import { addEntry, tarStream } from '../lib/tar.ts'
import { decodeText } from '../lib/text.ts'
import { GIT_ENVIRONMENT } from './environment.ts'

const LARGEST_READ = 1024 * 1024
const DEEPEST = 5
const MOST_SUBMODULES = 50
const LFS_POINTER = 'version https://git-lfs.github.com/spec/'
/** Pointers are 120 to 200 bytes long (git-lfs specification). */
const POINTER_BYTES = { least: 100, most: 1024 } as const
const MOST_POINTERS_LOOKED_AT = 2_000
const MOST_ATTRIBUTES_LOOKED_AT = 200

/** Brings one commit of another repository into this one. */
export type FetchCommit = (url: RemoteUrl, commitId: string) => Promise<void>

export interface TreeNeeds {
  readonly repository: string
  readonly fetchCommit: FetchCommit
  /** The URL the code came from, for relative URLs of submodules; null: it was pushed. */
  readonly base: RemoteUrl | null
  readonly allowHttp: boolean
}

interface Entry {
  readonly mode: string
  readonly object: string
  readonly size: number
  readonly path: string
}

/** One tree-ish and the folder its files go to: the checkout itself, then each submodule. */
interface Part {
  readonly treeish: string
  readonly prefix: string
}

/** The tree's id. Throws NotFoundError `source.no_root`. */
export async function treeIdOf(repository: string, commitId: string, root: string): Promise<string> {
  const { stdout, status } = await git(repository, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${commitId}:${root}`])
  const id = stdout.trim()
  if (status !== 0 || (await typeOf(repository, id)) !== 'tree')
    throw new NotFoundError('source.no_root', `${commitId.slice(0, 7)} has no folder ${root}: "lockgate app set APP --root FOLDER" says where the app lives.`)
  return id
}

/** Text of one blob, or null. Throws InvalidError `source.file_too_large`. */
export async function readBlob(repository: string, object: string, path: string): Promise<string | null> {
  const size = await git(repository, ['cat-file', '-s', object])
  if (size.status !== 0 || (await typeOf(repository, object)) !== 'blob') return null
  if (Number(size.stdout) > LARGEST_READ) throw tooLarge(path)
  return decodeText((await git(repository, ['cat-file', 'blob', object])).bytes)
}

/** Opens a tree with everything in it. Throws what `Source.open` says. */
export async function openTree(needs: TreeNeeds, commitId: string, root: string): Promise<Tree> {
  const { repository } = needs
  const id = await treeIdOf(repository, commitId, root)
  const gathering: Gathering = { needs, parts: [], objects: new Map() }
  await gather(gathering, { commitId, root, prefix: '', depth: 0, base: needs.base })
  await refusePointers(repository, gathering.objects)
  const parts = gathering.parts
  // Asked by the plan, by the recipe, by the build: a program of git each time would be felt.
  const texts = new Map<string, Promise<string | null>>()
  return {
    id,
    files: [...gathering.objects.keys()].sort(),
    read: (path) => {
      const known = texts.get(path) ?? readEntry(repository, path, gathering.objects.get(path))
      texts.set(path, known)
      return known
    },
    tar: () => (parts.length === 1 ? archive(repository, id) : joined(repository, parts)),
  }
}

/** Its size is known: one program of git is enough. */
async function readEntry(repository: string, path: string, entry: Entry | undefined): Promise<string | null> {
  if (entry === undefined) return null
  if (entry.size > LARGEST_READ) throw tooLarge(path)
  return decodeText((await git(repository, ['cat-file', 'blob', entry.object])).bytes)
}

function tooLarge(path: string): InvalidError {
  return new InvalidError('source.file_too_large', `${path} is larger than 1 MiB; a file that says how to build is small.`)
}

interface Gathering {
  readonly needs: TreeNeeds
  readonly parts: Part[]
  readonly objects: Map<string, Entry>
}

interface Place {
  readonly commitId: string
  readonly root: string
  readonly prefix: string
  readonly depth: number
  readonly base: RemoteUrl | null
}

async function gather(into: Gathering, place: Place): Promise<void> {
  const { repository } = into.needs
  const treeish = `${place.commitId}:${place.root}`
  into.parts.push({ treeish, prefix: place.prefix })
  if (into.parts.length > MOST_SUBMODULES) throw refused('', `there are more than ${MOST_SUBMODULES} submodules`)
  const modules: Entry[] = []
  for (const entry of await entriesOf(repository, treeish)) {
    if (entry.mode === '160000') modules.push(entry)
    else into.objects.set(place.prefix + entry.path, entry)
  }
  if (modules.length === 0) return
  const urls = await urlsOfModules(repository, place.commitId)
  for (const module of modules) {
    const path = place.root === '' ? module.path : `${place.root}/${module.path}`
    if (place.depth >= DEEPEST) throw refused(path, `submodules are nested deeper than ${DEEPEST}`)
    const url = urlOf(urls.get(path), { path, base: place.base, allowHttp: into.needs.allowHttp })
    await into.needs.fetchCommit(url, module.object).catch((error: unknown) => {
      if (error instanceof UnavailableError)
        throw new UnavailableError(error.code, `The submodule ${path} cannot be fetched: ${error.message}`, { cause: error })
      throw refused(path, messageOf(error))
    })
    await gather(into, { commitId: module.object, root: '', prefix: `${place.prefix}${module.path}/`, depth: place.depth + 1, base: url })
  }
}

function urlOf(url: string | undefined, at: { readonly path: string; readonly base: RemoteUrl | null; readonly allowHttp: boolean }): RemoteUrl {
  if (url === undefined) throw refused(at.path, 'the file .gitmodules does not say where it comes from')
  try {
    if (!/^\.\.?\//.test(url)) return readRemoteUrl(url, at.allowHttp)
    if (at.base === null)
      throw refused(
        at.path,
        `its URL ${JSON.stringify(url.slice(0, 100))} is relative, and pushed code has no place it is relative to: write the whole URL into .gitmodules`,
      )
    return resolveRemoteUrl(at.base, url, at.allowHttp)
  } catch (error) {
    throw error instanceof RejectedError ? error : refused(at.path, messageOf(error))
  }
}

function refused(path: string, why: string): RejectedError {
  return new RejectedError('source.submodule_refused', `The submodule ${path} cannot be fetched: ${why}`)
}

async function entriesOf(repository: string, treeish: string): Promise<Entry[]> {
  const { stdout } = await run('git', ['ls-tree', '-r', '-l', '-z', '--full-tree', '--end-of-options', treeish], { env: GIT_ENVIRONMENT, cwd: repository })
  return stdout.split('\0').flatMap((line) => {
    const [, mode = '', object = '', size = '', path = ''] = /^(\d{6}) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line) ?? []
    return path === '' ? [] : [{ mode, object, size: Number(size === '-' ? 0 : size), path }]
  })
}

/** Path to URL, as git itself reads `.gitmodules` (gitmodules(5)). */
async function urlsOfModules(repository: string, commitId: string): Promise<Map<string, string>> {
  const { stdout, status } = await git(repository, ['config', '--null', '--blob', `${commitId}:.gitmodules`, '--get-regexp', '^submodule\\..*\\.(path|url)$'])
  const urls = new Map<string, string>()
  if (status !== 0) return urls
  const modules = new Map<string, { path?: string; url?: string }>()
  for (const item of stdout.split('\0')) {
    const [, name, key, value] = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(item) ?? []
    if (name === undefined || key === undefined || value === undefined) continue
    modules.set(name, { ...modules.get(name), [key]: value })
  }
  for (const { path, url } of modules.values()) if (path !== undefined && url !== undefined) urls.set(path, url)
  return urls
}

/** A pointer in place of a file builds something broken without a word; so it is refused with one. */
async function refusePointers(repository: string, objects: ReadonlyMap<string, Entry>): Promise<void> {
  if (!(await namesLfs(repository, objects))) return
  const small = [...objects].filter(([, entry]) => entry.mode !== '120000' && entry.size >= POINTER_BYTES.least && entry.size <= POINTER_BYTES.most)
  const pointers: string[] = []
  for (const [path, entry] of small.slice(0, MOST_POINTERS_LOOKED_AT))
    if ((await readEntry(repository, path, entry))?.startsWith(LFS_POINTER)) pointers.push(path)
  if (pointers.length === 0) return
  throw new RejectedError(
    'source.lfs_not_there',
    `${pointers.length === 1 ? 'This file is' : `These ${pointers.length} files are`} kept with Git LFS, and git itself only holds pointers to them: ${pointers.slice(0, 3).join(', ')}${pointers.length > 3 ? ', …' : ''}. Put them into git ("git lfs migrate export --include='*' --everything"), or deploy the folder itself, where the files are: "lockgate deploy ."`,
  )
}

/** One after another: a repository may have them in every folder. Equal ones, as most are, are read once. */
async function namesLfs(repository: string, objects: ReadonlyMap<string, Entry>): Promise<boolean> {
  const attributes = new Map([...objects].filter(([path]) => /(^|\/)\.gitattributes$/.test(path)).map(([path, entry]) => [entry.object, { path, entry }]))
  for (const { path, entry } of [...attributes.values()].slice(0, MOST_ATTRIBUTES_LOOKED_AT))
    if ((await readEntry(repository, path, entry))?.includes('filter=lfs')) return true
  return false
}

function archive(repository: string, treeish: string): Readable {
  const child = launch('git', ['-c', 'tar.umask=0022', 'archive', '--format=tar', '--end-of-options', treeish], { env: GIT_ENVIRONMENT, cwd: repository })
  const out = new PassThrough()
  // Whoever reads may leave before the end, and git would wait for ever for room in the pipe.
  out.once('close', () => child.kill())
  child.stdin?.end()
  child.stdout?.pipe(out, { end: false })
  child.on('error', (error) => out.destroy(error))
  child.on('close', (code) => (code === 0 ? out.end() : out.destroy(new Error(`git archive exited with ${code}`))))
  return out
}

/** The archives of all parts as one. */
function joined(repository: string, parts: readonly Part[]): Readable {
  return tarStream(async (tar) => {
    for (const part of parts) {
      const entries = extract()
      entries.on('error', () => undefined)
      pipeline(archive(repository, part.treeish), entries, () => undefined)
      for await (const entry of entries) {
        const header = { ...entry.header, name: part.prefix + entry.header.name }
        if (header.type === 'file') await addEntry(tar, { ...header, size: header.size ?? 0 }, entry)
        else if (header.type === 'directory' || header.type === 'symlink') tar.entry(header)
        entry.resume()
      }
    }
  })
}

async function typeOf(repository: string, object: string): Promise<string> {
  return (await git(repository, ['cat-file', '-t', object])).stdout.trim()
}

function git(repository: string, args: readonly string[]): Promise<{ readonly stdout: string; readonly status: number; readonly bytes: Uint8Array }> {
  return run('git', args, { env: GIT_ENVIRONMENT, cwd: repository, anyStatus: true })
}
