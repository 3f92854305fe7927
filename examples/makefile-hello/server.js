// Serves the page that `make build` made.
const { readFileSync } = require('node:fs')
const { createServer } = require('node:http')
const { hostname } = require('node:os')
const { join } = require('node:path')

const port = Number(process.env.PORT ?? 8080)
const page = readFileSync(join(__dirname, 'public', 'index.html'), 'utf8').replace('@HOST@', hostname())

const server = createServer((request, response) => {
  const path = (request.url ?? '/').split('?')[0]
  const [status, type, body] = path === '/' ? [200, 'text/html', page] : path === '/up' ? [200, 'text/plain', 'up\n'] : [404, 'text/plain', 'Not found\n']
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8` })
  response.end(body)
})

server.listen(port, () => console.log(`listening on port ${port}`))

process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
