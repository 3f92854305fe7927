// Says hello on the port that PORT names: the one of EXPOSE.
const { createServer } = require('node:http')

const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Hello from a Dockerfile</title>
<style>body { font: 1.05rem/1.6 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center }</style>
<main><h1>Hello from a Dockerfile</h1></main></html>
`

const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
  response.end(page)
})

server.listen(Number(process.env.PORT ?? 3000), () => console.log('listening'))

process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
