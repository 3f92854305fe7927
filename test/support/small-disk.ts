// A small disk of its own, to be filled to the last byte.
import { open, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../../src/lib/errors.ts'
import { makeFolder } from '../../src/lib/files.ts'
import { run } from '../../src/lib/run.ts'

export interface SmallDisk {
  readonly path: string
  /** Writes until nothing more fits. */
  fill(): Promise<void>
  /** Takes away what `fill` wrote. */
  free(): Promise<void>
  remove(): Promise<void>
}

/** Mounts one of so many megabytes on a folder; its file lies beside the folder. */
export async function mountSmallDisk(path: string, megabytes: number): Promise<SmallDisk> {
  const file = `${path}.disk`
  await makeFolder(path)
  await writeFile(file, '')
  await truncate(file, megabytes * 1024 * 1024)
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', file])
  await run('mount', ['-o', 'loop', file, path])
  const filler = join(path, 'filler')
  return {
    path,
    fill: async () => {
      const handle = await open(filler, 'a')
      try {
        for (const size of [1024 * 1024, 4096, 512, 1]) await writeUntilFull(() => handle.write(Buffer.alloc(size, 'f')))
      } finally {
        await handle.close()
      }
    },
    free: () => rm(filler, { force: true }),
    remove: async () => {
      await run('umount', ['--lazy', path])
      await rm(file, { force: true })
    },
  }
}

async function writeUntilFull(write: () => Promise<unknown>): Promise<void> {
  try {
    for (;;) await write()
  } catch (error) {
    if (!hasCode(error, 'ENOSPC')) throw error
  }
}
