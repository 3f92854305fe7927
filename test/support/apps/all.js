// One app with an answer of every kind that is hard on a proxy, and nothing but Node: pages, streams, uploads, downloads,
// WebSockets. `/exit?code=` ends it, `/env` says its environment variables, START_MS makes it late, LIVES_MS ends it after a while,
// STUBBORN lets it ignore SIGTERM.
const { createHash } = require('node:crypto')
const { createServer } = require('node:http')

const version = process.env.VERSION ?? '1'
const PAGES = {
  '/slow': (response, number) => setTimeout(() => response.end(version), number('ms', 1000)),
  '/sse': (response, number) => stream(response, number('events', 10), number('ms', 100)),
  '/download': (response, number) => trickle(response, number('bytes', 262144), number('ms', 500)),
  '/exit': (response, number) => response.end('bye', () => process.exit(number('code', 1))),
  '/env': (response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(process.env)),
  '/headers': (response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(response.req.headers)),
}

const server = createServer((request, response) => {
  response.setHeader('x-version', version)
  const url = new URL(request.url, 'http://app')
  if (url.pathname === '/upload') return swallow(request, response)
  const page = PAGES[url.pathname]
  if (page) page(response, (key, otherwise) => Number(url.searchParams.get(key) ?? otherwise))
  else response.end(`version ${version}, ${process.env.LOCKGATE_RELEASE ?? 'no release'}, ${process.env.GREETING ?? 'no greeting'}`)
})

function stream(response, events, ms) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    response.write(`data: ${sent}\n\n`)
    if (sent < events) return
    clearInterval(timer)
    response.end()
  }, ms)
  response.on('close', () => clearInterval(timer))
}

function trickle(response, bytes, ms) {
  response.writeHead(200, { 'content-length': bytes })
  const parts = 10
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    response.write(Buffer.alloc(sent === parts ? bytes - Math.floor(bytes / parts) * (parts - 1) : Math.floor(bytes / parts), 'd'))
    if (sent < parts) return
    clearInterval(timer)
    response.end()
  }, ms / parts)
  response.on('close', () => clearInterval(timer))
}

function swallow(request, response) {
  let bytes = 0
  request.on('data', (chunk) => (bytes += chunk.length))
  request.on('end', () => response.end(String(bytes)))
}

// RFC 6455, as far as an echo of short texts needs it.
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  let held = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    held = Buffer.concat([held, chunk])
    for (;;) {
      const length = held.length < 2 ? 0 : held[1] & 127
      if (held.length < 6 + length) return
      const mask = held.subarray(2, 6)
      const payload = Buffer.from(held.subarray(6, 6 + length)).map((byte, at) => byte ^ mask[at % 4])
      const opcode = held[0] & 15
      held = held.subarray(6 + length)
      socket.write(Buffer.concat([Buffer.from([128 | opcode, length]), payload]))
      if (opcode === 8) return socket.end()
    }
  })
})

setTimeout(() => server.listen(Number(process.env.PORT ?? 8080), () => console.log(`listening as version ${version}`)), Number(process.env.START_MS ?? 0))
if (process.env.LIVES_MS) setTimeout(() => process.exit(9), Number(process.env.LIVES_MS))
if (process.env.TELLS) console.log(`told: ${process.env.TELLS}`)

process.on('SIGTERM', () => {
  if (process.env.STUBBORN) return
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
