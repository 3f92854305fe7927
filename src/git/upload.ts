// A folder somebody sent becomes a commit: from there on it is code like any other.
import type { Readable, Writable } from 'node:stream'
import { InvalidError, messageOf } from '../lib/errors.ts'
import { launch } from '../lib/run.ts'
import { sentFiles } from '../lib/sent-folder.ts'
import { GIT_ENVIRONMENT } from './environment.ts'

export interface Upload {
  readonly repository: string
  /** Full ref that is to name the commit. */
  readonly ref: string
  /** For the commit, e.g. `ada`. */
  readonly author: string
  /** Wall milliseconds. */
  readonly at: number
}

/**
 * Reads a gzipped tar of a folder and keeps it as a commit under a ref. Our own reader decides what may be in it; git only
 * gets paths and bytes (git-fast-import(1)). Throws InvalidError `archive.refused`, `upload.empty`.
 */
export async function keepUpload(archive: Readable, upload: Upload): Promise<void> {
  const child = launch('git', ['fast-import', '--quiet', '--done', '--date-format=raw'], { env: GIT_ENVIRONMENT, cwd: upload.repository })
  let said = ''
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve)
    // A git that cannot be started has no end either.
    child.on('error', (error) => {
      said = messageOf(error)
      resolve(null)
    })
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-1_000)
  })
  child.stdout?.resume()
  const { stdin } = child
  if (!stdin) throw new Error('git fast-import has no input')
  stdin.on('error', () => undefined)
  try {
    const files = await importFiles(archive, stdin)
    if (files.length === 0) throw new InvalidError('upload.empty', 'The folder holds no file: is everything in it ignored by .gitignore or .lockgateignore?')
    await write(stdin, commitOf(upload, files))
  } catch (error) {
    // Without "done" git throws away what it has got.
    child.kill('SIGKILL')
    await ended
    throw error
  }
  stdin.end('done\n')
  const status = await ended
  if (status !== 0) throw new Error(`git fast-import exited with ${status}: ${said}`)
}

async function importFiles(archive: Readable, git: Writable): Promise<string[]> {
  const lines: string[] = []
  for await (const { path, kind, mode, size, target, bytes } of sentFiles(archive)) {
    refuseGitFolder(path)
    if (kind === 'link') throw new InvalidError('archive.refused', `The archive has the hard link ${path}: send files and symbolic links`)
    const mark = lines.length + 1
    const link = kind === 'symlink' ? Buffer.from(target) : null
    await write(git, `blob\nmark :${mark}\ndata ${link?.length ?? size}\n`)
    if (link) await write(git, link)
    else for await (const chunk of bytes) await write(git, chunk as Buffer)
    await write(git, '\n')
    lines.push(`M ${link ? '120000' : mode & 0o111 ? '100755' : '100644'} :${mark} ${quoted(path)}\n`)
  }
  return lines
}

/** A checkout elsewhere must not find a repository inside; git itself refuses the same names (in any case, with dots and spaces at the end). */
function refuseGitFolder(path: string): void {
  if (path.split('/').some((part) => /^(\.git|git~1)[ .]*$/i.test(part.replace(/\p{Cf}/gu, '').split(':')[0] ?? '')))
    throw new InvalidError('archive.refused', `The archive has ${JSON.stringify(path.slice(0, 200))}, which is a part of git itself`)
}

/** A path as fast-import reads it: quoted like a string of C. */
function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`
}

function commitOf({ ref, author, at }: Upload, files: readonly string[]): string {
  const message = 'uploaded\n'
  const name = author.replace(/[<>\n]/g, '').trim() || 'somebody'
  return `commit ${ref}\ncommitter ${name} <${name.replace(/[^A-Za-z0-9._-]/g, '-')}@lockgate> ${Math.floor(at / 1000)} +0000\ndata ${message.length}\n${message}\n${files.join('')}\n`
}

async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (stream.destroyed) throw new Error('git fast-import ended early')
  if (stream.write(data)) return
  await new Promise<void>((resolve) => {
    const go = (): void => {
      stream.off('drain', go)
      stream.off('close', go)
      resolve()
    }
    stream.on('drain', go)
    stream.on('close', go)
  })
}
