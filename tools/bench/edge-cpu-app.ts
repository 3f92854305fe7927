// The app behind both proxies, in a thread of its own.
import { createServer } from 'node:http'
import { parentPort } from 'node:worker_threads'

const server = createServer((_request, response) => response.end('hello'))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  parentPort?.postMessage(address !== null && typeof address === 'object' ? address.port : 0)
})
