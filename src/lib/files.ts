import type { Stats } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasCode } from './errors.ts'
import { failpoint } from './failpoint.ts'
import { randomWord } from './ids.ts'

/** The names of temporary files: a word of `randomWord(6)` at the end. */
const HALF_WRITTEN = /\.[a-z0-9]{6}\.tmp$/

/** Replaces a file so that after a crash or on a full disk it is the old or the new one, whole: temp, fsync, rename. */
export async function writeAtomic(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${path}.${randomWord(6)}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    failpoint('file.before-rename')
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** What `writeAtomic` of a killed process left in a folder goes. Only for folders nobody else writes to now. */
export async function removeHalfWritten(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  await Promise.all(names.filter((name) => HALF_WRITTEN.test(name)).map((name) => rm(join(folder, name), { force: true })))
}

/** The text of a file, or null when there is none. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** Makes a folder and those above it; fine when it is there. */
export async function makeFolder(path: string, mode = 0o755): Promise<void> {
  await mkdir(path, { recursive: true, mode })
}

/** Makes the folder a file is to stand in. */
export async function makeFolderFor(path: string): Promise<void> {
  await makeFolder(dirname(path))
}

/** What the file system says of a file, or of every file below a folder; what goes away meanwhile is left out. */
export async function* statsBelow(path: string): AsyncGenerator<Stats> {
  const own = await stat(path).catch(() => null)
  if (own?.isFile()) yield own
  if (!own?.isDirectory()) return
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])) {
    const below = entry.isFile() ? await stat(join(entry.parentPath, entry.name)).catch(() => null) : null
    if (below) yield below
  }
}
