// Requests as bytes: what no client library would send.
import { once } from 'node:events'
import { connect } from 'node:net'

const PATIENCE_MS = 20_000

/** Sends bytes and gives the whole answer; throws when the other side keeps the connection open for longer than anybody waits. */
export async function sendRaw(url: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('silence')))
  socket.write(bytes)
  const began = performance.now()
  await once(socket, 'close')
  if (performance.now() - began > PATIENCE_MS - 100) throw new Error(`the connection stayed open: ${answer}`)
  return answer
}

/** Status and code of a problem document in an answer. */
export function problemIn(answer: string): { readonly status: number; readonly code: string } {
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]), code: /"code":"([a-z_.]+)"/.exec(answer)?.[1] ?? '' }
}
