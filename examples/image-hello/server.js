// The smallest app that can be deployed as an image: node server.js, and nothing else.
const { createServer } = require('node:http')
const { hostname } = require('node:os')

const port = Number(process.env.PORT ?? 8080)
const version = process.env.VERSION ?? '1'
const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Hello from an image</title>
<style>body { font: 1.05rem/1.6 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center }</style>
<main><h1>Hello from an image</h1><p>Version ${version} on <code>${hostname()}</code>.</p></main></html>
`

const server = createServer((request, response) => {
  const isUp = (request.url ?? '/').split('?')[0] === '/up'
  response.writeHead(200, { 'content-type': `${isUp ? 'text/plain' : 'text/html'}; charset=utf-8`, 'x-version': version })
  response.end(isUp ? 'up\n' : page)
})

server.listen(port, () => console.log(`listening on port ${port}`))

process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
