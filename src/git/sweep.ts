import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { statsBelow } from '../lib/files.ts'

/** Folders and files that git and we write into before they get their name, below a repository. */
const HALF_WRITTEN: readonly { readonly folder: string; readonly name: RegExp }[] = [
  { folder: '.', name: /^shallow-push\..*\.tmp$/ },
  { folder: 'objects', name: /^(incoming|tmp_objdir)-/ },
  { folder: 'objects/pack', name: /^(\.?tmp_|fast_import_crash_)/ },
]

/** What was being received when its server was killed: nobody will finish it. */
export async function removeHalfReceived(directory: string): Promise<void> {
  for (const entry of await namesIn(directory)) {
    // A repository that was being made or removed.
    if (/\.git\.[a-z0-9]+\.(tmp|removed)$/.test(entry)) await rm(join(directory, entry), { recursive: true, force: true })
    if (!entry.endsWith('.git')) continue
    for (const { folder, name } of HALF_WRITTEN)
      for (const file of await namesIn(join(directory, entry, folder)))
        if (name.test(file)) await rm(join(directory, entry, folder, file), { recursive: true, force: true })
  }
}

/** Bytes of all files below a folder; what goes away meanwhile counts nothing. */
export async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0
  for await (const { size } of statsBelow(folder)) bytes += size
  return bytes
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}
