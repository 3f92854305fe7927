// A DNS server on loopback that answers TXT questions from a table: enough of RFC 1035 for one question and one record.
import { createSocket } from 'node:dgram'

const TXT = 16

export interface DnsServer {
  /** `127.0.0.1:PORT`. */
  readonly address: string
  /** Name to text; changed by a test. */
  readonly records: Map<string, string>
  close(): Promise<void>
}

export async function startDns(): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const records = new Map<string, string>()
  socket.on('message', (question, from) => socket.send(answerTo(question, records), from.port, from.address))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${socket.address().port}`,
    records,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

function answerTo(question: Buffer, records: ReadonlyMap<string, string>): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.subarray(at + 1, at + 1 + length).toString())
    at += 1 + length
  }
  const asked = question.subarray(12, at + 5)
  const text = question.readUInt16BE(at + 1) === TXT ? records.get(labels.join('.').toLowerCase()) : undefined
  const header = Buffer.from(question.subarray(0, 12))
  // Response, recursion available; NXDOMAIN where there is no record. One question, no authority, nothing additional.
  header.writeUInt16BE(text === undefined ? 0x8183 : 0x8180, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(text === undefined ? 0 : 1, 6)
  header.writeUInt32BE(0, 8)
  if (text === undefined) return Buffer.concat([header, asked])
  const data = Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0)
  record.writeUInt16BE(TXT, 2)
  record.writeUInt16BE(1, 4)
  record.writeUInt32BE(1, 6)
  record.writeUInt16BE(data.length, 10)
  return Buffer.concat([header, asked, record, data])
}
