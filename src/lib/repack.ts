import { createHash, type Hash } from 'node:crypto'
import { posix } from 'node:path'
import { pipeline, type Readable } from 'node:stream'
import { extract, type Header, type Pack } from 'tar-stream'
import { InvalidError } from './errors.ts'
import { sha256 } from './hash.ts'
import { addEntry, ownedBy, tarStream } from './tar.ts'
import { TarGuard } from './tar-guard.ts'

export interface RepackOptions {
  /** Only what is below this folder of the archive, without it; '' is everything. */
  readonly from: string
  /** Folder it goes to, e.g. `app`. */
  readonly into: string
  readonly uid: number
  readonly maxBytes: number
  readonly maxEntries: number
  /** Entries of our own that come first. */
  readonly before?: (tar: Pack) => void
  /** Told at the end: a hash of all paths, modes, links and bytes, without times and owners. */
  readonly summed?: (hash: string) => void
}

/** What file systems take (NAME_MAX). */
const LONGEST_NAME = 255

/** Files of an app; a build that makes more has packed something it did not mean. */
export const MAX_ENTRIES = 500_000

/**
 * A tar stream made anew from one that somebody else wrote: regular files, folders and links inside its root only, with
 * plain modes and one owner. The engine unpacks without any limit and what it is told, so nothing hostile may come so far.
 * The stream ends with InvalidError `archive.refused`.
 */
export function repack(source: Readable, options: RepackOptions): Readable {
  return tarStream((tar) => new Repacking(tar, options).run(source))
}

class Repacking {
  readonly #tar: Pack
  readonly #options: RepackOptions
  /** What each path is; folders that were only implied are not in it. */
  readonly #seen = new Map<string, 'file' | 'directory' | 'symlink'>()
  readonly #sums: string[] = []
  #entries = 0

  constructor(tar: Pack, options: RepackOptions) {
    this.#tar = tar
    this.#options = options
  }

  async run(source: Readable): Promise<void> {
    const entries = extract()
    const guard = new TarGuard(this.#options.maxBytes)
    const fed: { failure: unknown } = { failure: null }
    // Whoever reads sees the error; one that comes when nobody reads any more must not end the process.
    entries.on('error', () => undefined)
    pipeline(source, guard, entries, (error) => {
      fed.failure = error ?? null
    })
    this.#options.before?.(this.#tar)
    this.#folder(this.#options.into)
    try {
      for await (const entry of entries) {
        await this.#add(entry.header, entry)
        entry.resume()
      }
    } catch (error) {
      source.destroy()
      throw unreadable(fed.failure instanceof InvalidError ? fed.failure : error)
    }
    // A stream that breaks off between two entries ends the loop without an error.
    if (fed.failure) throw unreadable(fed.failure)
    this.#options.summed?.(sha256(this.#sums.toSorted().join('\n')))
  }

  async #add(header: Header, bytes: AsyncIterable<unknown>): Promise<void> {
    this.#entries++
    if (this.#entries > this.#options.maxEntries) throw refuse(`has more than ${this.#options.maxEntries} files`)
    const name = this.#placed(cleanName(header.name))
    if (name === null) return
    const full = posix.join(this.#options.into, name)
    if (this.#seen.has(full) && !(header.type === 'directory' && this.#seen.get(full) === 'directory')) {
      if (full === this.#options.into) return
      throw refuse(`has ${name} twice`)
    }
    this.#refuseBelowLinks(full)
    if (header.type === 'directory') return this.#folder(full, header.mode)
    if (header.type === 'symlink' || header.type === 'link') return this.#link(full, header)
    if (header.type !== 'file' && header.type !== 'contiguous-file')
      throw refuse(`has ${name}, which is ${header.type ? `a ${header.type}` : 'of a kind that is no file, folder or link'}`)
    this.#seen.set(full, 'file')
    const mode = ((header.mode ?? 0o644) & 0o755) | 0o600
    const hash = createHash('sha256')
    await addEntry(
      this.#tar,
      { name: full, type: 'file', mode, size: header.size ?? 0, mtime: header.mtime ?? new Date(0), ...ownedBy(this.#options.uid) },
      this.#options.summed ? hashed(bytes, hash) : bytes,
    )
    // Compiled Python holds the times of its sources, which are no part of what it does.
    if (!name.endsWith('.pyc')) this.#sums.push(`${mode} ${name} ${hash.digest('hex')}`)
  }

  #folder(full: string, mode = 0o755): void {
    if (this.#seen.has(full)) return
    this.#seen.set(full, 'directory')
    this.#tar.entry({ name: full, type: 'directory', mode: (mode & 0o755) | 0o700, ...ownedBy(this.#options.uid) } as Header)
  }

  #link(full: string, header: Header): void {
    const isSymbolic = header.type === 'symlink'
    const linkname = header.linkname ?? ''
    const target = isSymbolic ? this.#targetOf(full, linkname) : this.#hardTarget(linkname)
    const type = isSymbolic ? 'symlink' : 'link'
    this.#seen.set(full, isSymbolic ? 'symlink' : 'file')
    this.#sums.push(`${type} ${full} ${target}`)
    this.#tar.entry({ name: full, type, linkname: target, mode: 0o777, ...ownedBy(this.#options.uid) } as Header)
  }

  /** A symbolic link stays as it is written, if where it leads is inside. */
  #targetOf(full: string, linkname: string): string {
    const root = `/${this.#options.into}`
    const target = posix.resolve(posix.dirname(`/${full}`), linkname)
    if (linkname === '' || linkname.includes('\0') || (target !== root && !target.startsWith(`${root}/`)))
      throw refuse(`has the link ${full} to ${JSON.stringify(linkname.slice(0, 200))}, which is outside`)
    return linkname
  }

  /** A hard link names an entry of the same archive. */
  #hardTarget(linkname: string): string {
    const name = this.#placed(cleanName(linkname))
    const target = name === null ? '' : posix.join(this.#options.into, name)
    if (this.#seen.get(target) !== 'file') throw refuse(`has a hard link to ${JSON.stringify(linkname.slice(0, 200))}, which is no file of it`)
    return target
  }

  #refuseBelowLinks(full: string): void {
    for (let parent = posix.dirname(full); parent !== '.' && parent !== '/'; parent = posix.dirname(parent)) {
      const kind = this.#seen.get(parent)
      if (kind === 'symlink' || kind === 'file') throw refuse(`has ${full} below ${parent}, which is no folder`)
    }
  }

  /** The path below `from`, '' for the folder itself, or null for what is beside it. */
  #placed(name: string): string | null {
    const { from } = this.#options
    if (from === '') return name
    if (name === from) return ''
    return name.startsWith(`${from}/`) ? name.slice(from.length + 1) : null
  }
}

async function* hashed(bytes: AsyncIterable<unknown>, hash: Hash): AsyncGenerator<unknown> {
  for await (const chunk of bytes) {
    hash.update(chunk as Uint8Array)
    yield chunk
  }
}

function cleanName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0') || name.length > 4096)
    throw refuse(`has the path ${JSON.stringify(name.slice(0, 200))}, which leads outside`)
  // As the reader of the archive decodes what is not UTF-8: the file would have another name than it had.
  if (name.includes('\ufffd')) throw refuse(`has the path ${JSON.stringify(name.slice(0, 200))}, which is not written in UTF-8`)
  const long = parts.find((part) => Buffer.byteLength(part) > LONGEST_NAME)
  if (long !== undefined) throw refuse(`has the name ${JSON.stringify(long.slice(0, 60))}…, which is longer than ${LONGEST_NAME} bytes`)
  return parts.join('/')
}

function refuse(what: string): InvalidError {
  return new InvalidError('archive.refused', `The archive ${what}`)
}

function unreadable(error: unknown): unknown {
  if (error instanceof InvalidError) return error
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) return refuse('is no gzip file, or is damaged')
  return new InvalidError('archive.refused', `The archive cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}
