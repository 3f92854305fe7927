// An app that is no HTTP server: what a test does with each of its connections.
import { once } from 'node:events'
import { type AddressInfo, createServer, type ServerOpts, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Listens on a free port of 127.0.0.1 until the test is over, and gives the port. */
export async function socketApp(serve: (socket: Socket) => void, options: ServerOpts = {}): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(options, (socket) => {
    sockets.add(socket)
    // A check connects and leaves; a client may vanish.
    socket.on('error', () => undefined)
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
