import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Bases } from '../../src/drivers/builder/bases/index.ts'
import type { Boxes } from '../../src/drivers/runtime/types.ts'
import { silentLog } from '../../src/lib/log.ts'
import { tarStream } from '../../src/lib/tar.ts'

/** Programs that test images run instead of a good app. */
const PROGRAMS = {
  /** examples/image-hello: answers 200, ends at SIGTERM. */
  hello: new URL('../../examples/image-hello/server.js', import.meta.url),
  /** An answer of every kind; see there. */
  all: new URL('apps/all.js', import.meta.url),
  /** Answers 503 to everything. */
  unhealthy: "require('http').createServer((q, r) => { r.writeHead(503); r.end('no') }).listen(process.env.PORT || 8080)",
  /** Ends at once. */
  exits: "console.error('cannot start'); process.exit(3)",
  /** Listens, and never ends at SIGTERM. */
  stubborn: "process.on('SIGTERM', () => {}); require('http').createServer((q, r) => r.end('hi')).listen(process.env.PORT || 8080)",
  /** Answers after a while: `/?ms=500`. */
  slow: "const s = require('http').createServer((q, r) => setTimeout(() => r.end('slow'), Number(new URL(q.url, 'http://x').searchParams.get('ms') || 0))).listen(process.env.PORT || 8080); process.on('SIGTERM', () => { s.close(() => process.exit(0)); s.closeIdleConnections() })",
  /** Listens on another port than it was told. */
  elsewhere: "require('http').createServer((q, r) => r.end('here')).listen(9999)",
  /** Listens where nobody outside reaches it. */
  loopback: "require('http').createServer((q, r) => r.end('here')).listen(process.env.PORT || 8080, '127.0.0.1')",
  /** Needs more memory than any limit. */
  greedy: "console.log('filling'); const all = []; setInterval(() => all.push(Buffer.alloc(5e7, 1)), 10)",
  /** HTTP/2 without TLS: says its version, echoes what is posted to /echo. */
  h2c: "const s = require('http2').createServer((q, r) => q.url === '/echo' ? q.pipe(r) : (r.setHeader('x-version', process.env.VERSION), r.end(process.env.VERSION))).listen(process.env.PORT || 8080); const open = new Set(); s.on('session', (x) => { open.add(x); x.on('close', () => open.delete(x)) }); process.on('SIGTERM', () => { s.close(() => process.exit(0)); for (const x of open) x.close() })",
} as const

export type TestImage = keyof typeof PROGRAMS

/**
 * Tag of a small image with a web app, made without a registry: once on this machine, and used again by every run.
 * `version` stands in VERSION and makes another image (`/` of hello says it).
 */
export async function testImage(boxes: Boxes, name: TestImage, version = '1'): Promise<string> {
  const base = await new Bases({ boxes, registry: null, log: silentLog }).image({ base: 'node', version: null })
  const source = PROGRAMS[name]
  const program = source instanceof URL ? await readFile(source, 'utf8') : source
  const hash = createHash('sha256').update(`${base}\n${version}\n${program}`).digest('hex').slice(0, 16)
  const tag = `lockgate-test/${name}:${hash}`
  if (await boxes.findImage(tag)) return tag
  const box = `lockgate-test-image-${hash}-${process.pid}`
  await boxes.create({ name: box, owner: 'test-images', image: base, command: ['true'], limits: { cpus: 1, memoryMb: 256, processes: 64 }, network: 'none' })
  try {
    await boxes.put(
      box,
      '/',
      tarStream(async (tar) => void tar.entry({ name: 'app/server.js', mode: 0o644 }, program)),
    )
    await boxes.commit(box, { tag, command: ['node', '/app/server.js'], workdir: '/app', user: '700000:700000', env: { VERSION: version } })
  } finally {
    await boxes.remove(box)
  }
  return tag
}
