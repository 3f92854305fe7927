// pkt-line framing: four hex digits of length (with themselves), then the payload; 0000 is a flush. gitprotocol-common(5).

export const FLUSH = '0000'

/** One packet with a text payload. */
export function packet(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text
}

/** Reads packets from a stream: texts, and null for a flush. */
export async function* packets(stream: AsyncIterable<Buffer>): AsyncGenerator<string | null> {
  let buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    buffer = Buffer.concat([buffer, chunk])
    while (buffer.length >= 4) {
      const length = Number.parseInt(buffer.subarray(0, 4).toString('latin1'), 16)
      if (!Number.isInteger(length)) throw new Error('not a pkt-line')
      if (length < 4) {
        buffer = buffer.subarray(4)
        yield null
        continue
      }
      if (buffer.length < length) break
      const text = buffer.subarray(4, length).toString('utf8')
      buffer = buffer.subarray(length)
      yield text.replace(/\n$/, '')
    }
  }
}
