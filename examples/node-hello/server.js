// A small web app: shows where it runs, answers /up, and ends gracefully.
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import ms from 'ms'
import { page } from './page.js'

const port = Number(process.env.PORT ?? 8080)

const server = createServer((request, response) => {
  const path = (request.url ?? '/').split('?')[0]
  if (path === '/up') return answer(response, 200, 'up\n')
  if (path !== '/') return answer(response, 404, 'Not found\n')
  const facts = {
    Release: process.env.LOCKGATE_RELEASE ?? 'none',
    Host: hostname(),
    Port: String(port),
    Up: ms(Math.round(process.uptime() * 1000), { long: true }),
  }
  answer(response, 200, page(process.env.GREETING ?? 'Hello from Node', facts))
})

function answer(response, status, body) {
  const type = body.startsWith('<') ? 'text/html' : 'text/plain'
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' })
  response.end(body)
}

server.listen(port, () => console.log(`listening on port ${port}`))

// Requests in flight are answered; idle connections are closed; then the process ends.
process.on('SIGTERM', () => {
  console.log('stopping')
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
