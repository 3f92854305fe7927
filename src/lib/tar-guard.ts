import { Transform, type TransformCallback } from 'node:stream'
import { InvalidError } from './errors.ts'

const BLOCK = 512
const RECORD_BYTES = 1024 * 1024
const RECORDS = new Set(['x', 'g', 'L', 'K'])

/**
 * Passes a tar stream on while it watches what the tar library would hold in memory: its extended headers (pax and GNU
 * long names, POSIX.1-2017 "pax"), which may claim any size. Also counts every byte, so that a stream that unpacks to more
 * than `maxBytes` ends early, whatever its headers say.
 */
export class TarGuard extends Transform {
  readonly #maxBytes: number
  #bytes = 0
  #declared = 0
  #held: Buffer = Buffer.alloc(0)
  #skip = 0
  #record: Buffer[] | null = null

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

  #watch(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#skip > 0) {
        const part = rest.subarray(0, this.#skip)
        this.#record?.push(part)
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
    if (block.every((byte) => byte === 0)) return
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
    const isRecord = RECORDS.has(type)
    if (isRecord && size > RECORD_BYTES) throw refuse('has an extended header of more than 1 MB')
    // Refused at its header, before the engine has written what fits.
    if (this.#declared + size > this.#maxBytes) throw this.#tooBig()
    this.#declared += size
    this.#record = isRecord ? [] : null
    this.#skip = Math.ceil(size / BLOCK) * BLOCK
  }

  #tooBig(): InvalidError {
    return refuse(`unpacks to more than ${Math.round(this.#maxBytes / 1024 / 1024)} MB`)
  }

  /** A size in an extended header would let this guard and the library read different entries. */
  #endRecord(): void {
    const record = this.#record
    this.#record = null
    if (record?.some((part) => part.includes('GNU.sparse.'))) throw refuse('has a sparse file')
    if (record && /(^|\n)\d+ size=/.test(Buffer.concat(record).toString('latin1'))) throw refuse('has an entry whose size stands in an extended header')
  }
}

function refuse(what: string): InvalidError {
  return new InvalidError('archive.refused', `The archive ${what}`)
}
