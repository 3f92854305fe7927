import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { InvalidError } from '../../lib/errors.ts'
import { repack } from '../../lib/repack.ts'

const LIMITS = { maxBytes: 1024 ** 3, maxEntries: 100_000 } as const
/** Files that say how to build are small and stand near the top. */
const LARGEST_TEXT = 1024 * 1024
const MOST_TEXT = 32 * 1024 * 1024
const DEEPEST = 2

/** What is known of a folder that was sent: its paths, and the texts of small files near its top. */
export interface FolderTexts {
  readonly files: readonly string[]
  readonly texts: Readonly<Record<string, string>>
}

/** Reads a gzipped tar of a folder and keeps nothing of it. Throws InvalidError `archive.refused`. */
export async function readFolder(archive: Readable): Promise<FolderTexts> {
  const files: string[] = []
  const texts: Record<string, string> = {}
  let kept = 0
  const entries = extract()
  entries.on('error', () => undefined)
  const fed: { failure: unknown } = { failure: null }
  const unzipped = createGunzip()
  archive.on('error', (error) => unzipped.destroy(error))
  pipeline(repack(archive.pipe(unzipped), { from: '', into: 'code', uid: 0, ...LIMITS }), entries, (error) => {
    fed.failure = error ?? null
  })
  try {
    for await (const entry of entries) {
      const { header } = entry
      const path = header.name.replace(/^code\/?/, '')
      const size = header.size ?? 0
      if (header.type === 'file' || header.type === 'symlink') files.push(path)
      const isWanted = header.type === 'file' && size <= LARGEST_TEXT && kept + size <= MOST_TEXT && path.split('/').length <= DEEPEST
      if (isWanted) {
        kept += size
        texts[path] = await textOf(entry)
      } else entry.resume()
    }
  } catch (error) {
    archive.destroy()
    throw refused(fed.failure ?? error)
  }
  if (fed.failure) throw refused(fed.failure)
  return { files: files.sort(), texts }
}

async function textOf(bytes: AsyncIterable<unknown>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks).toString('utf8')
}

function refused(error: unknown): InvalidError {
  return error instanceof InvalidError
    ? error
    : new InvalidError('archive.refused', `The archive cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}
