import type { Readable } from 'node:stream'
import { sentFiles } from '../../lib/sent-folder.ts'
import type { Bytes } from '../../lib/tar.ts'
import { decodeText } from '../../lib/text.ts'

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
  const texts: Record<string, string> = Object.create(null)
  let kept = 0
  for await (const { path, kind, size, bytes } of sentFiles(archive)) {
    if (kind !== 'link') files.push(path)
    if (kind !== 'file' || size > LARGEST_TEXT || kept + size > MOST_TEXT || path.split('/').length > DEEPEST) continue
    kept += size
    texts[path] = await textOf(bytes)
  }
  return { files: files.sort(), texts }
}

async function textOf(bytes: Bytes): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk as Uint8Array)
  return decodeText(Buffer.concat(chunks))
}
