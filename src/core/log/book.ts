import { EventEmitter, once } from 'node:events'
import { appendFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../../lib/errors.ts'
import { makeFolderFor } from '../../lib/files.ts'
import type { LogKey, LogRecord } from './log.ts'
import { openIfThere, parseRecord, recordsAfter } from './pages.ts'

export interface LogBookOptions {
  readonly directory: string
  /** A log is two files of at most this many bytes: the older one goes when the newer is full. */
  readonly fileBytes?: number
}

interface OpenLog {
  readonly path: string
  nextSeq: number
  bytes: number
  pending: string[]
  flushing: Promise<void> | null
  readonly news: EventEmitter
}

/** Readers cut lines at 16 KiB; what a redactor held back comes in front. */
const LINE_LIMIT = 32 * 1024
const TAIL_BYTES = 512 * 1024
/** A follower reads so many lines at a time. */
const FOLLOW_BATCH = 500

/** Logs on disk with sequence numbers: append, tail, read on from a number, follow. Bounded. */
export class LogBook {
  readonly #options: Required<LogBookOptions>
  readonly #logs = new Map<LogKey, Promise<OpenLog>>()

  constructor(options: LogBookOptions) {
    this.#options = { fileBytes: 20 * 1024 * 1024, ...options }
  }

  async append(key: LogKey, line: Omit<LogRecord, 'seq'>): Promise<void> {
    const log = await this.#open(key)
    const record: LogRecord = { seq: log.nextSeq++, ...line, text: line.text.slice(0, LINE_LIMIT) }
    log.pending.push(`${JSON.stringify(record)}\n`)
    log.flushing ??= this.#flush(log)
    log.news.emit('line')
  }

  /** The last `count` lines that are kept; with `search` only those that hold this text, whatever its case. */
  async tail(key: LogKey, count: number, search?: string): Promise<LogRecord[]> {
    if (count <= 0) return []
    if (search !== undefined) return this.#search(key, count, search.toLowerCase())
    const log = await this.#settled(key)
    const newest = parse(await readEnd(log.path, TAIL_BYTES))
    if (newest.length >= count) return newest.slice(-count)
    return [...parse(await readEnd(`${log.path}.1`, TAIL_BYTES)), ...newest].slice(-count)
  }

  async #search(key: LogKey, count: number, wanted: string): Promise<LogRecord[]> {
    const found: LogRecord[] = []
    for await (const record of this.#after(key, 0)) {
      if (!record.text.toLowerCase().includes(wanted)) continue
      found.push(record)
      if (found.length > count) found.shift()
    }
    return found
  }

  /** At most `limit` lines after a sequence number. */
  async after(key: LogKey, seq: number, limit: number): Promise<LogRecord[]> {
    const found: LogRecord[] = []
    if (limit <= 0) return found
    for await (const record of this.#after(key, seq)) {
      found.push(record)
      if (found.length === limit) break
    }
    return found
  }

  async *#after(key: LogKey, seq: number): AsyncGenerator<LogRecord> {
    const log = await this.#settled(key)
    // The newer file first: when it becomes the older one meanwhile, its lines come twice and not never.
    const files = [await openIfThere(log.path), await openIfThere(`${log.path}.1`)]
    try {
      let last = seq
      for (const file of files.toReversed()) {
        if (file === null) continue
        for await (const record of recordsAfter(file, last)) {
          last = record.seq
          yield record
        }
      }
    } finally {
      for (const file of files) await file?.close()
    }
  }

  /**
   * Every line after a sequence number, then new ones as they come, until the signal. Lines wait on disk for a slow reader, not
   * in memory.
   */
  async *follow(key: LogKey, seq: number, signal: AbortSignal): AsyncGenerator<LogRecord> {
    const log = await this.#open(key)
    let last = seq
    while (!signal.aborted) {
      const seen = log.nextSeq
      const batch = await this.after(key, last, FOLLOW_BATCH)
      for (const record of batch) {
        if (signal.aborted) return
        yield record
        last = record.seq
      }
      if (batch.length === 0 && log.nextSeq === seen) await once(log.news, 'line', { signal }).catch(() => undefined)
    }
  }

  /** All appended lines are on disk. */
  async flush(): Promise<void> {
    for (const opening of this.#logs.values()) await (await opening).flushing
  }

  async remove(key: LogKey): Promise<void> {
    const log = await this.#settled(key)
    this.#logs.delete(key)
    await rm(log.path, { force: true })
    await rm(`${log.path}.1`, { force: true })
  }

  async #settled(key: LogKey): Promise<OpenLog> {
    const log = await this.#open(key)
    await log.flushing
    return log
  }

  #open(key: LogKey): Promise<OpenLog> {
    const known = this.#logs.get(key)
    if (known) return known
    const opening = openLog(join(this.#options.directory, `${key}.log`))
    this.#logs.set(key, opening)
    opening.catch(() => this.#logs.delete(key))
    return opening
  }

  async #flush(log: OpenLog): Promise<void> {
    // One turn of the event loop: lines that come together are written together.
    await new Promise((resolve) => setImmediate(resolve))
    try {
      while (log.pending.length > 0) {
        const text = log.pending.splice(0).join('')
        if (log.bytes > this.#options.fileBytes) {
          await rename(log.path, `${log.path}.1`)
          log.bytes = 0
        }
        await appendFile(log.path, text, { mode: 0o600 })
        log.bytes += Buffer.byteLength(text)
      }
    } catch (error) {
      // A full disk loses log lines, never the server; the gap shows in the sequence numbers.
      if (!hasCode(error, 'ENOSPC')) throw error
    } finally {
      log.flushing = null
    }
  }
}

async function openLog(path: string): Promise<OpenLog> {
  await makeFolderFor(path)
  const last = parse(await readEnd(path, TAIL_BYTES)).at(-1) ?? parse(await readEnd(`${path}.1`, TAIL_BYTES)).at(-1)
  const news = new EventEmitter()
  news.setMaxListeners(0)
  return { path, nextSeq: (last?.seq ?? 0) + 1, bytes: await sizeOf(path), pending: [], flushing: null, news }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0
    throw error
  }
}

async function readEnd(path: string, bytes: number): Promise<string> {
  const file = await openIfThere(path)
  if (file === null) return ''
  try {
    const { size } = await file.stat()
    const length = Math.min(size, bytes)
    const buffer = Buffer.alloc(length)
    await file.read(buffer, 0, length, size - length)
    return buffer.toString()
  } finally {
    await file.close()
  }
}

function parse(text: string): LogRecord[] {
  return text.split('\n').flatMap((line) => parseRecord(line) ?? [])
}
