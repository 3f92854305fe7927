// The program of the image `lockgate/static`: serves a folder. It runs alone in a container, without node_modules and
// without the rest of Lockgate, so it imports Node only.
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, resolve, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'

const TEXT = '; charset=utf-8'
const TYPES: Readonly<Record<string, string>> = {
  '.html': `text/html${TEXT}`,
  '.htm': `text/html${TEXT}`,
  '.css': `text/css${TEXT}`,
  '.js': `text/javascript${TEXT}`,
  '.mjs': `text/javascript${TEXT}`,
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.xml': `application/xml${TEXT}`,
  '.rss': 'application/rss+xml',
  '.txt': `text/plain${TEXT}`,
  '.md': `text/markdown${TEXT}`,
  '.csv': `text/csv${TEXT}`,
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.ttf': 'font/ttf',
  '.otf': 'font/otf',
  '.wasm': 'application/wasm',
  '.pdf': 'application/pdf',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.mp3': 'audio/mpeg',
  '.wav': 'audio/wav',
  '.zip': 'application/zip',
  '.gz': 'application/gzip',
}

interface Found {
  readonly path: string
  readonly size: number
  readonly modifiedMs: number
}

/** A server of one folder: `/` is its index.html, `/about` also finds about.html and about/index.html, 404.html is shown where nothing is. */
export function serveFolder(folder: string): ReturnType<typeof createServer> {
  return createServer((request, response) => {
    answer(folder, request, response).catch((error: unknown) => {
      // A visitor who went away is no fault; anything else is logged and, while it is possible, answered.
      if (!response.headersSent) end(response, 500, 'Internal server error\n')
      else response.destroy()
      if (!request.destroyed) process.stderr.write(`${String(error)}\n`)
    })
  })
}

async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return end(response, 405, 'Method not allowed\n')
  }
  const path = pathOf(request.url ?? '/')
  if (path === null) return end(response, 400, 'Bad request\n')
  const found = await find(folder, path)
  if (found === 'folder') {
    // Starts with one slash: two would name another host.
    response.setHeader('location', `/${encodeURI(path.replace(/^\/+/, ''))}/`)
    return end(response, 301, 'Moved\n')
  }
  if (found) return send(found, 200, { request, response })
  const page = await fileAt(folder, '/404.html')
  if (page) return send(page, 404, { request, response })
  end(response, 404, 'Not found\n')
}

function pathOf(url: string): string | null {
  try {
    const path = decodeURIComponent(url.split(/[?#]/)[0] ?? '/')
    return path.startsWith('/') && !path.includes('\0') ? path : null
  } catch {
    return null
  }
}

async function find(folder: string, path: string): Promise<Found | 'folder' | null> {
  if (path.endsWith('/')) return fileAt(folder, `${path}index.html`)
  const found = (await fileAt(folder, path)) ?? (await fileAt(folder, `${path}.html`))
  if (found) return found
  return (await fileAt(folder, `${path}/index.html`)) ? 'folder' : null
}

/** A file inside the folder; hidden ones (.git, .env) are not there, except .well-known. */
async function fileAt(folder: string, path: string): Promise<Found | null> {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.some((part) => part.startsWith('.') && part !== '.well-known')) return null
  try {
    const root = await realpath(folder)
    const target = await realpath(resolve(root, join(...parts, '.')))
    if (!target.startsWith(root + sep)) return null
    const facts = await stat(target)
    return facts.isFile() ? { path: target, size: facts.size, modifiedMs: facts.mtimeMs } : null
  } catch {
    return null
  }
}

async function send(found: Found, status: number, exchange: { readonly request: IncomingMessage; readonly response: ServerResponse }): Promise<void> {
  const { request, response } = exchange
  const tag = `"${found.size.toString(36)}-${Math.floor(found.modifiedMs).toString(36)}"`
  response.setHeader('content-type', TYPES[extname(found.path).toLowerCase()] ?? 'application/octet-stream')
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('etag', tag)
  response.setHeader('cache-control', 'no-cache')
  response.setHeader('accept-ranges', 'bytes')
  if (status === 200 && (request.headers['if-none-match'] ?? '').split(/\s*,\s*/).some((known) => known === tag || known === `W/${tag}`)) {
    response.writeHead(304).end()
    return
  }
  const range = status === 200 ? rangeOf(request.headers.range, found.size) : null
  if (range === 'outside') {
    response.setHeader('content-range', `bytes */${found.size}`)
    return end(response, 416, 'Range not satisfiable\n')
  }
  if (range) response.setHeader('content-range', `bytes ${range.start}-${range.end}/${found.size}`)
  response.setHeader('content-length', range ? range.end - range.start + 1 : found.size)
  response.writeHead(range ? 206 : status)
  if (request.method === 'HEAD' || found.size === 0) return void response.end()
  await pipeline(createReadStream(found.path, range ?? {}), response)
}

/** One range of RFC 9110; several are answered with the whole file, as is allowed. */
function rangeOf(header: string | undefined, size: number): { readonly start: number; readonly end: number } | 'outside' | null {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return null
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return start > end || start >= size ? 'outside' : { start, end }
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': `text/plain${TEXT}` })
  response.end(text)
}

const folder = process.argv[2]
if (import.meta.main && folder !== undefined) {
  const port = Number(process.env['PORT'] ?? 8080)
  const server = serveFolder(folder).listen(port, () => process.stdout.write(`serving ${folder} on port ${port}\n`))
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
}
