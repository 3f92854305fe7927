// A push out of a shallow clone. git's receive-pack cannot hand such a push to a proc-receive hook while the repository does
// not know where its history ends (it stops with "BUG: connectivity check has not been run", git 2.29 to today). So its
// objects and its ends are taken in first; after that it is a push like any other.
import { createReadStream, createWriteStream } from 'node:fs'
import { appendFile, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { hasCode, InvalidError } from '../lib/errors.ts'
import { randomWord } from '../lib/ids.ts'
import { launch, run } from '../lib/run.ts'

/** What a shallow push begins with: pkt-lines `shallow <commit>`, then commands, a flush, and the pack (gitprotocol-pack(5)). */
const SHALLOW = /^[0-9a-f]{4}shallow ([0-9a-f]{40}|[0-9a-f]{64})\n?$/
const LONGEST_HEADER = 1024 * 1024

export interface ShallowPush {
  /** The bare repository. */
  readonly repository: string
  readonly env: Readonly<Record<string, string>>
  readonly maxBytes: number
}

/** Whether the request of a push says that it comes from a shallow clone; the stream is left as it was. */
export async function isShallowPush(body: Readable): Promise<boolean> {
  const start = await peek(body, 12)
  return start.subarray(4).toString('latin1').startsWith('shallow ')
}

/**
 * Keeps the request of a shallow push in a file, takes in its objects and where its history ends, and gives the request
 * again. Call `forget` when it was read. Throws InvalidError `push.too_large`, `push.not_understood`.
 */
export async function takeInShallow(body: Readable, push: ShallowPush): Promise<{ readonly body: Readable; readonly forget: () => Promise<void> }> {
  const path = join(push.repository, `shallow-push.${randomWord(8)}.tmp`)
  const forget = (): Promise<void> => rm(path, { force: true })
  try {
    await pipeline(body, bounded(push.maxBytes), createWriteStream(path, { mode: 0o600 }))
    const { ends, commandsAt, packAt } = await readHeader(path)
    await indexPack(path, packAt, push)
    await rememberEnds(push.repository, await missingBehind(ends, push))
    // Without its ends: what of them matters is known now, and git takes it for a push like any other.
    return { body: createReadStream(path, { start: commandsAt }), forget }
  } catch (error) {
    await forget()
    throw error
  }
}

function peek(stream: Readable, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // What failed before anybody looked says nothing any more.
    if (stream.destroyed) return reject(stream.errored ?? new InvalidError('push.not_understood', 'This push ends before it began.'))
    const look = (): void => {
      const chunk: Buffer | null = stream.read(bytes)
      if (chunk === null && !stream.readableEnded) return
      stream.off('readable', look).off('end', look).off('error', reject)
      if (chunk !== null) stream.unshift(chunk)
      resolve(chunk ?? Buffer.alloc(0))
    }
    stream.on('readable', look).on('end', look).on('error', reject)
    look()
  })
}

function bounded(most: number) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0
    for await (const chunk of source) {
      bytes += chunk.length
      if (bytes > most) throw new InvalidError('push.too_large', `This push is larger than ${Math.round(most / 1024 / 1024)} MB.`)
      yield chunk
    }
  }
}

interface Header {
  /** The ends of the history that the pusher has. */
  readonly ends: readonly string[]
  /** Where the first line stands that is no end. */
  readonly commandsAt: number
  /** Where the pack begins: the end of the file where there is none. */
  readonly packAt: number
}

async function readHeader(path: string): Promise<Header> {
  const file = await open(path)
  try {
    const buffer = Buffer.alloc(LONGEST_HEADER)
    const { bytesRead } = await file.read(buffer, 0, LONGEST_HEADER, 0)
    const header = buffer.subarray(0, bytesRead)
    const ends: string[] = []
    let at = 0
    let commandsAt = 0
    for (;;) {
      const length = Number.parseInt(header.subarray(at, at + 4).toString('latin1'), 16)
      if (!Number.isInteger(length) || (length !== 0 && length < 4))
        throw new InvalidError('push.not_understood', 'This push does not begin as git begins one.')
      if (length === 0) return { ends, commandsAt, packAt: at + 4 }
      const line = header.subarray(at, at + length).toString('latin1')
      const [, end] = SHALLOW.exec(line) ?? []
      if (end === undefined && line.startsWith('shallow ', 4))
        throw new InvalidError('push.not_understood', 'This push has an end of its history that names no commit.')
      at += length
      if (end === undefined) continue
      ends.push(end)
      commandsAt = at
    }
  } finally {
    await file.close()
  }
}

function indexPack(path: string, start: number, push: ShallowPush): Promise<void> {
  const child = launch('git', ['index-pack', '--stdin', '--fix-thin', `--max-input-size=${push.maxBytes}`], { env: push.env, cwd: push.repository })
  const pack = createReadStream(path, { start })
  let bytes = 0
  pack.on('data', (chunk) => {
    bytes += chunk.length
  })
  child.stdin?.on('error', () => undefined)
  if (child.stdin) pack.pipe(child.stdin)
  child.stdout?.resume()
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    // Nothing but deletions brings no pack.
    child.on('close', (code) =>
      code === 0 || bytes === 0 ? resolve() : reject(new InvalidError('push.not_understood', 'The pack of this push is not whole.')),
    )
  })
}

/**
 * Those ends behind which something is missing here. A pusher's clone may be shallow where this repository is not: to cut its history
 * there as well would take it away from everybody.
 */
async function missingBehind(ends: readonly string[], push: ShallowPush): Promise<string[]> {
  const git = async (args: readonly string[], lines: readonly string[]): Promise<string[][]> => {
    const { stdout } = await run('git', args, { env: push.env, cwd: push.repository, input: lines.map((line) => `${line}\n`).join('') })
    return stdout.split('\n').map((line) => line.split(' '))
  }
  // Only commits of its own history: what is cut already shows no parents.
  const commits = (await git(['cat-file', '--batch-check'], ends)).flatMap(([id = '', type]) => (type === 'commit' ? [id] : []))
  if (commits.length === 0) return []
  const known = await git(['rev-list', '--no-walk', '--parents', '--stdin'], commits)
  const parents = [...new Set(known.flatMap(([, ...rest]) => rest))]
  const missing = new Set((await git(['cat-file', '--batch-check'], parents)).flatMap(([id = '', what]) => (what === 'missing' ? [id] : [])))
  return known.flatMap(([id = '', ...rest]) => (rest.some((parent) => missing.has(parent)) ? [id] : []))
}

/** Adds to the file `shallow` of the repository, under git's own lock for it. */
async function rememberEnds(repository: string, ends: readonly string[]): Promise<void> {
  if (ends.length === 0) return
  const lock = join(repository, 'shallow.lock')
  try {
    await (await open(lock, 'wx', 0o600)).close()
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw new InvalidError('push.not_understood', 'Another push out of a shallow clone is just being taken in; push again.')
    throw error
  }
  try {
    // One write of whole lines: git reads the file, also when an end stands there twice.
    await appendFile(join(repository, 'shallow'), ends.map((end) => `${end}\n`).join(''), { mode: 0o600 })
  } finally {
    await rm(lock, { force: true })
  }
}
