// File systems in sparse files: made, attached to loop devices, looked into. mke2fs(8), losetup(8), dumpe2fs(8).
import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import { makeFolder } from '../../../lib/files.ts'
import { randomWord } from '../../../lib/ids.ts'
import { run } from '../../../lib/run.ts'
import type { VolumeUse } from '../types.ts'

const ENV = { LC_ALL: 'C.UTF-8' }
/** Bytes for each inode: half of what mke2fs takes, because `node_modules` is many small files. */
const BYTES_PER_FILE = 8192

/** Makes an empty ext4 in a file; its root belongs to `user` (`700000:700000`). No journal: nothing in it outlives its build by promise. */
export async function makeFileSystem(file: string, user: string): Promise<void> {
  const options = `lazy_itable_init=1,nodiscard,root_owner=${user}`
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', '-i', String(BYTES_PER_FILE), '-O', '^has_journal', '-E', options, file], { env: ENV })
  // A folder that only root can read, in which no tool of a build expects one.
  await run('debugfs', ['-w', '-R', 'rmdir lost+found', file], { env: ENV })
}

/** The loop device of a file, attached when it is not yet. */
export async function attachLoop(file: string): Promise<string> {
  const present = (await loopsOf(file))[0]
  if (present) return present
  const { stdout } = await run('losetup', ['--find', '--show', '--', file], { env: ENV })
  return stdout.trim()
}

/** Detaches every device of a file. */
export async function detachLoops(file: string): Promise<void> {
  for (const device of await loopsOf(file)) await detachLoop(device)
}

/** Detaches a device; one that is still mounted goes when it is not any more. */
export async function detachLoop(device: string): Promise<void> {
  await run('losetup', ['--detach', device], { env: ENV, anyStatus: true })
}

/** Every device whose file is, or was, below a folder. */
export async function loopsBelow(folder: string): Promise<{ readonly device: string; readonly file: string }[]> {
  // Nothing below this would be everything.
  if (!/^\/[^/]/.test(folder)) throw new RejectedError('runtime.refused', `${folder} is no folder of volumes`)
  const { stdout } = await run('losetup', ['--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE'], { env: ENV })
  return stdout.split('\n').flatMap((line) => {
    const [, device, file] = /^(\S+) (.+?)(?: \(deleted\))?$/.exec(line.replaceAll('\\x20', ' ')) ?? []
    return device && file?.startsWith(`${folder}/`) ? [{ device, file }] : []
  })
}

async function loopsOf(file: string): Promise<string[]> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  )
  if (!isThere) return []
  const { stdout } = await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', file], { env: ENV })
  return stdout.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
}

/** How full the file system of a file is, as it was when it was last unmounted; null when there is none. */
export async function useOfFile(file: string): Promise<(VolumeUse & { readonly isClean: boolean }) | null> {
  const { status, stdout } = await run('dumpe2fs', ['-h', file], { env: ENV, anyStatus: true })
  if (status !== 0) return null
  const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(stdout)?.[1] ?? ''
  const number = (name: string): number => Number(field(name))
  const blockBytes = number('Block size')
  return {
    totalBytes: number('Block count') * blockBytes,
    // What the file system needs for itself is used from the beginning.
    usedBytes: (number('Block count') - number('Free blocks')) * blockBytes,
    totalFiles: number('Inode count'),
    usedFiles: number('Inode count') - number('Free inodes'),
    isClean: field('Filesystem state') === 'clean',
  }
}

/** Who the root of the file system in a file belongs to: `700000:700000`. debugfs(8). */
export async function ownerOfFile(file: string): Promise<string> {
  const { stdout } = await run('debugfs', ['-R', 'stat /', file], { env: ENV, anyStatus: true })
  const [, user = '', group = ''] = /User:\s+(\d+)\s+Group:\s+(\d+)/.exec(stdout) ?? []
  return `${user}:${group}`
}

/** Makes, attaches, mounts and removes a small one. The reason when this machine cannot; null when it can. */
export async function tryLoop(directory: string): Promise<string | null> {
  const file = join(directory, `try-${randomWord(8)}.ext4`)
  const mountPoint = await mkdtemp(join(tmpdir(), 'lockgate-try-'))
  try {
    await makeFolder(directory, 0o700)
    await writeFile(file, '', { mode: 0o600 })
    await truncate(file, 16 * 1024 * 1024)
    await makeFileSystem(file, '0:0')
    const device = await attachLoop(file)
    if (!device.startsWith('/dev/')) throw new UnavailableError('run.failed', `losetup answered ${device}`)
    await run('mount', ['-t', 'ext4', '-o', 'nodev,nosuid', device, mountPoint], { env: ENV })
    await run('umount', [mountPoint], { env: ENV })
    return null
  } catch (error) {
    return messageOf(error)
  } finally {
    await detachLoops(file).catch(() => undefined)
    await rm(file, { force: true })
    await rm(mountPoint, { recursive: true, force: true })
  }
}
