import type { Readable } from 'node:stream'
import type { z } from 'zod'

/** A frame of the engine's multiplexed output: one byte of stream, three zeros, four of length, then the bytes. */
export interface Frame {
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Buffer
}

const HEADER = 8

/** Frames of a multiplexed stream (Engine API, "attach: stream format"). */
export async function* frames(source: Readable): AsyncGenerator<Frame> {
  let chunks: Buffer[] = []
  let size = 0
  let wanted = HEADER
  let header: Buffer | null = null
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    // Joined only when enough is there: joining at each chunk is quadratic for long frames.
    while (size >= wanted) {
      const all: Buffer = chunks.length === 1 ? (chunks[0] ?? chunk) : Buffer.concat(chunks)
      const part = all.subarray(0, wanted)
      chunks = [all.subarray(wanted)]
      size -= wanted
      if (header === null) {
        header = part
        wanted = part.readUInt32BE(4)
      } else {
        yield { stream: header[0] === 2 ? 'stderr' : 'stdout', bytes: part }
        header = null
        wanted = HEADER
      }
    }
  }
}

/** Longest line that is kept whole; a longer one goes on in the next. */
export const LINE_BYTES = 16 * 1024

/** The greatest length up to `most` that cuts no UTF-8 character in two. */
function wholeCharacters(bytes: Buffer, most: number): number {
  let length = most
  while (length > most - 4 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length -= 1
  return length
}

/** Cuts bytes into lines, without their ends; at most LINE_BYTES each. */
export class LineCutter {
  readonly #line: (text: string) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(line: (text: string) => void) {
    this.#line = line
  }

  push(bytes: Buffer): void {
    let all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (;;) {
      const end = all.indexOf(10)
      if (end === -1 && all.length < LINE_BYTES) break
      const cut = end === -1 || end > LINE_BYTES ? wholeCharacters(all, LINE_BYTES) : end
      this.#emit(all.subarray(0, cut))
      all = all.subarray(cut === end ? cut + 1 : cut)
    }
    this.#rest = all
  }

  end(): void {
    if (this.#rest.length > 0) this.#emit(this.#rest)
    this.#rest = Buffer.alloc(0)
  }

  #emit(bytes: Buffer): void {
    const text = bytes.toString('utf8')
    this.#line(text.endsWith('\r') ? text.slice(0, -1) : text)
  }
}

/** Values of a stream of JSON lines; a line that is not what the schema says is passed over. */
export async function* jsonLines<Schema extends z.ZodType>(source: Readable, schema: Schema): AsyncGenerator<z.infer<Schema>> {
  let rest = ''
  source.setEncoding('utf8')
  for await (const chunk of source as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const parsed = schema.safeParse(parse(line))
      if (parsed.success) yield parsed.data
    }
  }
  const last = schema.safeParse(parse(rest))
  if (last.success) yield last.data
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
