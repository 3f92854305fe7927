import { Transform, type TransformCallback } from 'node:stream'
import { InvalidError } from './errors.ts'

const BLOCK = 512
const RECORD_BYTES = 1024 * 1024
const RECORDS = new Set(['x', 'g', 'L', 'K'])
const PAX = new Set(['x', 'g'])
/** Links, devices, folders and pipes: nothing of theirs stands behind their headers. */
const WITHOUT_CONTENT = new Set(['1', '2', '3', '4', '5', '6'])

/**
 * Passes a tar stream on while it watches what the tar library would hold in memory: its extended headers (pax and GNU
 * long names, POSIX.1-2017 "pax"), which may claim any size. Also counts every byte, so that a stream that unpacks to more
 * than `maxBytes` ends early, whatever its headers say. What this guard and the library would read differently is refused, and so is an
 * archive that ends before its end: whoever wrote it may have died there.
 */
export class TarGuard extends Transform {
  readonly #maxBytes: number
  #bytes = 0
  #declared = 0
  #held: Buffer = Buffer.alloc(0)
  #skip = 0
  #record: { readonly isPax: boolean; readonly size: number; readonly parts: Buffer[] } | null = null
  #hasEnded = false

  constructor(maxBytes: number) {
    super()
    this.#maxBytes = maxBytes
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    try {
      this.#bytes += chunk.length
      if (this.#bytes > this.#maxBytes) throw this.#tooBig()
      this.#watch(chunk)
      done(null, chunk)
    } catch (error) {
      done(error instanceof Error ? error : refuse('cannot be read'))
    }
  }

  override _flush(done: TransformCallback): void {
    const isWhole = this.#hasEnded && this.#held.length === 0 && this.#skip === 0
    done(isWhole || this.#bytes === 0 ? null : refuse('ends before its end: whatever wrote it did not finish'))
  }

  #watch(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#skip > 0) {
        const part = rest.subarray(0, this.#skip)
        this.#record?.parts.push(part)
        this.#skip -= part.length
        rest = rest.subarray(part.length)
        if (this.#skip === 0) this.#endRecord()
        continue
      }
      const part = rest.subarray(0, BLOCK - this.#held.length)
      this.#held = this.#held.length === 0 ? part : Buffer.concat([this.#held, part])
      rest = rest.subarray(part.length)
      if (this.#held.length < BLOCK) return
      this.#header(this.#held)
      this.#held = Buffer.alloc(0)
    }
  }

  #header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.#hasEnded = true
      return
    }
    // GNU tar stops at an empty block, and the library reads on.
    if (this.#hasEnded) throw refuse('has something behind its end')
    const text = block
      .subarray(124, 136)
      .toString('latin1')
      .replace(/[\0 ]+$/, '')
      .trim()
    // Sizes in base 256 are for files over 8 GiB.
    if (!/^[0-7]*$/.test(text)) throw refuse('has an entry whose size cannot be read')
    const size = Number.parseInt(text || '0', 8)
    const type = String.fromCharCode(block[156] ?? 0)
    // Its holes are written out by who unpacks it.
    if (type === 'S') throw refuse('has a sparse file')
    if (size > 0 && WITHOUT_CONTENT.has(type)) throw refuse('has a link, folder or device that claims to have content')
    const isRecord = RECORDS.has(type)
    if (isRecord && size > RECORD_BYTES) throw refuse('has an extended header of more than 1 MB')
    // Refused at its header, before the engine has written what fits.
    if (this.#declared + size > this.#maxBytes) throw this.#tooBig()
    this.#declared += size
    this.#record = isRecord ? { isPax: PAX.has(type), size, parts: [] } : null
    this.#skip = Math.ceil(size / BLOCK) * BLOCK
  }

  #tooBig(): InvalidError {
    return refuse(`unpacks to more than ${Math.round(this.#maxBytes / 1024 / 1024)} MB`)
  }

  #endRecord(): void {
    const record = this.#record
    this.#record = null
    if (!record?.isPax) return
    for (const key of keysOf(Buffer.concat(record.parts).subarray(0, record.size))) {
      if (key.startsWith('GNU.sparse.')) throw refuse('has a sparse file')
      // It would let this guard and the library read different entries.
      if (key === 'size') throw refuse('has an entry whose size stands in an extended header')
    }
  }
}

/** The keys of `length key=value` lines; one that is none would lose a name or a link to who passes over it. */
function keysOf(record: Buffer): string[] {
  const keys: string[] = []
  for (let at = 0; at < record.length; ) {
    const [head = '', digits = '', key = ''] = /^(\d{1,7}) ([^=\n]+)=/.exec(record.subarray(at, at + 1_000).toString('latin1')) ?? []
    const end = at + Number(digits)
    if (head === '' || end < at + head.length + 1 || end > record.length || record[end - 1] !== 0x0a) throw refuse('has an extended header that cannot be read')
    keys.push(key)
    at = end
  }
  return keys
}

function refuse(what: string): InvalidError {
  return new InvalidError('archive.refused', `The archive ${what}`)
}
