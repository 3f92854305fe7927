import { expect, test } from 'vitest'
import { FLUSH, packet, packets } from './packet-line.ts'

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(text: string | Buffer, size = 7): Promise<(string | null)[]> {
  const all: (string | null)[] = []
  for await (const one of packets(inChunks(Buffer.from(text), size))) all.push(one)
  return all
}

test('the length counts itself and bytes, as gitprotocol-common(5) has it', () => {
  expect([packet('a\n'), packet(''), packet('ü')]).toEqual(['0006a\n', '0004', '0006ü'])
})

test.each([1, 2, 3, 5, 1000])('packets that come in pieces of %i bytes are whole', async (size) => {
  const long = 'x'.repeat(2000)
  expect(await read(packet('version=1\n') + FLUSH + packet(long) + packet('schön') + FLUSH, size)).toEqual(['version=1', null, long, 'schön', null])
})

test('a packet that never ends is not given, and what is none is refused', async () => {
  expect(await read(`${packet('a')}0010abc`)).toEqual(['a'])
  await expect(read('GET / HTTP/1.1')).rejects.toThrow('not a pkt-line')
})
