import { EventEmitter, once } from 'node:events'
import { appendFile, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../../lib/errors.ts'
import { makeFolderFor, readIfThere } from '../../lib/files.ts'
import type { LogKey, LogRecord } from './log.ts'

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

const LINE_LIMIT = 16 * 1024
const TAIL_BYTES = 512 * 1024

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
    log.news.emit('line', record)
  }

  /** The last `count` lines that are kept; with `search` only those that hold this text, whatever its case. */
  async tail(key: LogKey, count: number, search?: string): Promise<LogRecord[]> {
    if (count <= 0) return []
    if (search !== undefined) {
      const wanted = search.toLowerCase()
      return (await this.after(key, 0, Number.POSITIVE_INFINITY)).filter((record) => record.text.toLowerCase().includes(wanted)).slice(-count)
    }
    const log = await this.#settled(key)
    const newest = parse(await readEnd(log.path, TAIL_BYTES))
    if (newest.length >= count) return newest.slice(-count)
    return [...parse(await readEnd(`${log.path}.1`, TAIL_BYTES)), ...newest].slice(-count)
  }

  /** At most `limit` lines after a sequence number. */
  async after(key: LogKey, seq: number, limit: number): Promise<LogRecord[]> {
    const log = await this.#settled(key)
    const records = [...parse((await readIfThere(`${log.path}.1`)) ?? ''), ...parse((await readIfThere(log.path)) ?? '')]
    const found = records.filter((record) => record.seq > seq)
    return found.slice(0, limit)
  }

  /** Every line after a sequence number, then new ones as they come, until the signal. */
  async *follow(key: LogKey, seq: number, signal: AbortSignal): AsyncGenerator<LogRecord> {
    const log = await this.#settled(key)
    const queue: LogRecord[] = []
    const heard = (record: LogRecord): void => void queue.push(record)
    log.news.on('line', heard)
    try {
      let last = seq
      for (const record of await this.after(key, seq, Number.POSITIVE_INFINITY)) {
        yield record
        last = record.seq
      }
      while (!signal.aborted) {
        const record = queue.shift()
        if (record && record.seq > last) yield record
        if (!record) await once(log.news, 'line', { signal }).catch(() => undefined)
      }
    } finally {
      log.news.off('line', heard)
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
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      const length = Math.min(size, bytes)
      const buffer = Buffer.alloc(length)
      await file.read(buffer, 0, length, size - length)
      return buffer.toString()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return ''
    throw error
  }
}

/** Whole lines only: the first of a tail and the last of a torn write may be parts. */
function parse(text: string): LogRecord[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{"seq"') || !line.endsWith('}')) return []
    try {
      return [JSON.parse(line) as LogRecord]
    } catch {
      return []
    }
  })
}
