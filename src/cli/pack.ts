import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import ignore, { type Ignore } from 'ignore'
import { addEntry, tarStream } from '../lib/tar.ts'
import { CliError, EXIT } from './exit.ts'

/** Never sent: git's own folder, and what package managers make again from their lock files. */
const LEFT_OUT = ['.git', 'node_modules', '.venv', '__pycache__', '.DS_Store']
const IGNORE_FILES = ['.gitignore', '.lockgateignore']

/** A file or link below the folder that is sent. */
interface Found {
  readonly path: string
  readonly full: string
  readonly kind: 'file' | 'link'
  readonly size: number
  readonly isProgram: boolean
}

/** Patterns of one folder: they are about what is below it. */
interface Rules {
  readonly folder: string
  readonly rules: Ignore
}

export interface Packed {
  readonly files: number
  readonly bytes: number
  readonly stream: ReadableStream<Uint8Array>
}

/**
 * A gzipped tar of a folder, without what `.gitignore` and `.lockgateignore` (of any folder in it) leave out. Throws
 * CliError when it is no folder or holds nothing.
 */
export async function packFolder(folder: string): Promise<Packed> {
  const is = await lstat(folder).catch(() => null)
  if (!is?.isDirectory()) throw new CliError(`${folder} is not a folder.`, EXIT.usage)
  const found: Found[] = []
  await walk(folder, '', { rules: [], found })
  if (found.length === 0) throw new CliError(`${folder} holds no file that is not ignored.`, EXIT.usage)
  const tar = tarStream(async (target) => {
    for (const one of found) {
      if (one.kind === 'link') target.entry({ name: one.path, type: 'symlink', linkname: await readlink(one.full) })
      else await addEntry(target, { name: one.path, size: one.size, mode: one.isProgram ? 0o755 : 0o644, mtime: new Date(0) }, createReadStream(one.full))
    }
  })
  const zipped = createGzip({ level: 6 })
  tar.on('error', (error) => zipped.destroy(error))
  return {
    files: found.length,
    bytes: found.reduce((sum, one) => sum + one.size, 0),
    stream: Readable.toWeb(tar.pipe(zipped)) as ReadableStream<Uint8Array>,
  }
}

interface Walking {
  readonly rules: readonly Rules[]
  readonly found: Found[]
}

async function walk(root: string, folder: string, walking: Walking): Promise<void> {
  const own = await rulesOf(root, folder)
  const rules = own === null ? walking.rules : [...walking.rules, own]
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (LEFT_OUT.includes(entry.name) || isIgnored(rules, entry.isDirectory() ? `${path}/` : path)) continue
    const full = join(root, path)
    if (entry.isDirectory()) await walk(root, path, { rules, found: walking.found })
    else if (entry.isFile() || entry.isSymbolicLink()) {
      const { size, mode } = await lstat(full)
      walking.found.push({ path, full, kind: entry.isFile() ? 'file' : 'link', size: entry.isFile() ? size : 0, isProgram: (mode & 0o111) !== 0 })
    }
  }
}

async function rulesOf(root: string, folder: string): Promise<Rules | null> {
  const texts = await Promise.all(IGNORE_FILES.map((name) => readFile(join(root, folder, name), 'utf8').catch(() => null)))
  if (texts.every((text) => text === null)) return null
  const rules = ignore()
  for (const text of texts) if (text !== null) rules.add(text)
  return { folder, rules }
}

/** The rules of deeper folders win over those above them (gitignore(5)). */
function isIgnored(all: readonly Rules[], path: string): boolean {
  let ignored = false
  for (const { folder, rules } of all) {
    const result = rules.test(folder === '' ? path : path.slice(folder.length + 1))
    if (result.ignored) ignored = true
    if (result.unignored) ignored = false
  }
  return ignored
}
