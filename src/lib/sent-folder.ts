// A folder that somebody sent as a gzipped tar, read entry by entry.
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { InvalidError, messageOf } from './errors.ts'
import { repack } from './repack.ts'
import type { Bytes } from './tar.ts'

/** What may be sent: the same as a push. */
const LIMITS = { maxBytes: 1024 ** 3, maxEntries: 100_000 } as const

export interface SentFile {
  readonly path: string
  readonly kind: 'file' | 'symlink' | 'link'
  readonly mode: number
  readonly size: number
  /** Where a link leads. */
  readonly target: string
  /** Of a file: to be read, or left, before the next one is asked for. */
  readonly bytes: Bytes
}

/** The files and links of a folder. Throws InvalidError `archive.refused`, also when the sender leaves half-way. */
export async function* sentFiles(archive: Readable): AsyncGenerator<SentFile> {
  const unzipped = createGunzip()
  // A sender who leaves ends the stream without an error of its own: only a pipeline notices.
  pipeline(archive, unzipped, () => undefined)
  const entries = extract()
  entries.on('error', () => undefined)
  let failure: unknown = null
  const fed = new Promise<void>((resolve) => {
    pipeline(repack(unzipped, { from: '', into: 'code', uid: 0, ...LIMITS }), entries, (error) => {
      failure = error ?? null
      resolve()
    })
  })
  try {
    for await (const entry of entries) {
      const { name, type, mode = 0, size = 0, linkname } = entry.header
      const path = name.replace(/^code\/?/, '')
      if (type === 'file' || type === 'symlink' || type === 'link') yield { path, kind: type, mode, size, target: linkname ?? '', bytes: entry }
      entry.resume()
    }
  } catch (error) {
    await fed
    throw refused(failure ?? error)
  } finally {
    archive.destroy()
  }
  await fed
  if (failure !== null) throw refused(failure)
}

function refused(error: unknown): InvalidError {
  if (error instanceof InvalidError) return error
  return new InvalidError('archive.refused', `The archive cannot be read: ${messageOf(error)}`, { cause: error })
}
