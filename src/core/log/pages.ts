// The file of a log, read in pieces: its size never decides how much memory a reader takes.
import { type FileHandle, open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { hasCode } from '../../lib/errors.ts'
import type { LogRecord } from './log.ts'

/** Longer than a line of the file can be. */
const PIECE_BYTES = 256 * 1024

/** Opens a file for reading; null: it is not there. */
export async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** The records of an open file whose number is greater than `seq`, in order. Lines are sorted by number: the begin is found by bisection. */
export async function* recordsAfter(file: FileHandle, seq: number): AsyncGenerator<LogRecord> {
  const stream = file.createReadStream({ start: await startOf(file, seq), autoClose: false })
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  try {
    for await (const line of lines) {
      const record = parseRecord(line)
      if (record && record.seq > seq) yield record
    }
  } finally {
    lines.close()
    stream.destroy()
  }
}

/** Where a line starts that is at or before the first one after `seq`. */
async function startOf(file: FileHandle, seq: number): Promise<number> {
  let low = 0
  let high = (await file.stat()).size
  while (high - low > PIECE_BYTES) {
    const middle = Math.floor((low + high) / 2)
    const found = await firstLineAfter(file, middle)
    if (found && found.at < high && found.seq <= seq) low = found.at
    else high = middle
  }
  return low
}

async function firstLineAfter(file: FileHandle, position: number): Promise<{ readonly at: number; readonly seq: number } | null> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, position)
  const begin = buffer.subarray(0, bytesRead).indexOf(10) + 1
  const [, seq] = /^\{"seq":(\d+)/.exec(buffer.toString('latin1', begin, Math.min(begin + 40, bytesRead))) ?? []
  return begin === 0 || seq === undefined ? null : { at: position + begin, seq: Number(seq) }
}

/** A whole line; null: it is torn, as the first of a tail or the last after a crash may be. */
export function parseRecord(line: string): LogRecord | null {
  if (!line.startsWith('{"seq"') || !line.endsWith('}')) return null
  try {
    return JSON.parse(line) as LogRecord
  } catch {
    return null
  }
}
