import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { holdSocket } from './held-socket.ts'

async function listening(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as { readonly port: number }).port
}

test('an address that is taken, or not of this machine, is not held', async () => {
  const port = await listening('127.0.0.1')

  expect(holdSocket({ address: '127.0.0.1', port })).toBeNull()
  expect(holdSocket({ address: '192.0.2.7', port })).toBeNull()
})

test('a held socket is nobody else’s, accepts nothing itself, and is free when it is let go of', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  await new Promise((resolve) => server.close(resolve))
  const held = holdSocket({ address: '127.0.0.1', port })
  expect(held?.fd).toBeGreaterThan(2)

  const refused = connect(port, '127.0.0.1')
  expect(((await once(refused, 'error')) as [NodeJS.ErrnoException])[0].code).toEqual('ECONNREFUSED')
  held?.close()

  const again = createServer().listen(port, '127.0.0.1')
  await once(again, 'listening')
  await new Promise((resolve) => again.close(resolve))
})
