import { createServer } from 'node:http'
import { app } from './app.js'

const server = createServer(app).listen(process.env.PORT ?? 8080)

// Requests that are under way are finished; then the process ends by itself.
process.on('SIGTERM', () => server.close())
