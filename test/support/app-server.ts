// A small app to stand behind an edge: it says who it is, and has an answer of every kind that is hard on a proxy.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createH2Server } from 'node:http2'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { WebSocketServer } from 'ws'

export interface AppServer {
  readonly name: string
  readonly port: number
  /** Requests that came in and are not answered yet, as the app itself sees it. */
  inFlight(): number
  /** Requests it was ever given. */
  total(): number
  /** Ends every connection at once, as a killed instance does. */
  kill(): Promise<void>
}

/**
 * `/` its name, `/headers` the request's headers as JSON, `/header-names` their names as they came, `/slow?ms=` an answer after that time, `/sse?events=&ms=` a stream,
 * `/status?code=` that status, `/upload` the number of bytes it got, `/download?bytes=&ms=` so many bytes over that time; any path is an echoing WebSocket.
 */
export async function startAppServer(name: string, port = 0): Promise<AppServer> {
  const app = new App(name)
  const server = createServer((request, response) => app.answer(request, response))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data.toString())))
  return listening({ server, app, port })
}

/** The same over cleartext HTTP/2, as gRPC servers speak. */
export async function startH2cAppServer(name: string): Promise<AppServer> {
  const app = new App(name)
  const server = createH2Server((request, response) => {
    app.count(response)
    response.setHeader('content-type', 'text/plain')
    if (request.url.startsWith('/echo')) request.pipe(response)
    else response.end(name)
  })
  return listening({ server, app, port: 0 })
}

class App {
  readonly name: string
  open = 0
  total = 0

  constructor(name: string) {
    this.name = name
  }

  count(response: { on(event: 'close', listener: () => void): unknown }): void {
    this.open += 1
    this.total += 1
    response.on('close', () => {
      this.open -= 1
    })
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    this.count(response)
    const url = new URL(request.url ?? '/', 'http://app')
    const number = (key: string, otherwise: number): number => Number(url.searchParams.get(key) ?? otherwise)
    if (url.pathname.endsWith('/headers')) response.setHeader('content-type', 'application/json').end(JSON.stringify(request.headers))
    else if (url.pathname.endsWith('/header-names')) response.end(JSON.stringify(request.rawHeaders.filter((_, at) => at % 2 === 0)))
    else if (url.pathname.endsWith('/slow')) setTimeout(() => response.end(this.name), number('ms', 1_000))
    else if (url.pathname.endsWith('/status')) response.writeHead(number('code', 200)).end(this.name)
    else if (url.pathname.endsWith('/sse')) stream({ response, events: number('events', 10), ms: number('ms', 100) })
    else if (url.pathname.endsWith('/upload')) swallow(request, response)
    else if (url.pathname.endsWith('/download')) trickle({ response, bytes: number('bytes', 262_144), ms: number('ms', 500) })
    else response.end(this.name)
  }
}

function stream({ response, events, ms }: { readonly response: ServerResponse; readonly events: number; readonly ms: number }): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    response.write(`data: ${sent} ${Date.now()}\n\n`)
    if (sent < events) return
    clearInterval(timer)
    response.end()
  }, ms)
  response.on('close', () => clearInterval(timer))
}

function swallow(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  request.on('end', () => response.end(String(bytes)))
}

function trickle({ response, bytes, ms }: { readonly response: ServerResponse; readonly bytes: number; readonly ms: number }): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  const parts = 10
  let sent = 0
  const timer = setInterval(
    () => {
      sent += 1
      const size = sent === parts ? bytes - Math.floor(bytes / parts) * (parts - 1) : Math.floor(bytes / parts)
      response.write(Buffer.alloc(size, 'd'))
      if (sent < parts) return
      clearInterval(timer)
      response.end()
    },
    Math.max(1, ms / parts),
  )
  response.on('close', () => clearInterval(timer))
}

interface Listening {
  readonly server: NetServer
  readonly app: App
  readonly port: number
}

async function listening({ server, app, port }: Listening): Promise<AppServer> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A check connects and leaves; a client may vanish. Neither is this app's trouble.
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    name: app.name,
    port: (server.address() as AddressInfo).port,
    inFlight: () => app.open,
    total: () => app.total,
    kill: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.resetAndDestroy()
      await closed
    },
  }
}
