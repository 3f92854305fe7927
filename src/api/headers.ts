// Headers that say two things, and bytes that are no request at all: each gets an answer that says so.
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { hasCode, InvalidError } from '../lib/errors.ts'
import { randomWord } from '../lib/ids.ts'
import { HEADERS_MS } from './deadlines.ts'
import { problemOf } from './errors.ts'

/** Of two of these Node takes the first, and a proxy in front may take the last. */
const ONCE: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'git-protocol',
  'host',
  'last-event-id',
  'origin',
])

/** Refuses requests in which a header that can stand once stands twice. Throws InvalidError `request.invalid`. */
export function refuseDoubledHeaders(server: FastifyInstance): void {
  server.addHook('onRequest', async ({ raw }) => {
    const seen = new Set<string>()
    for (let at = 0; at < raw.rawHeaders.length; at += 2) {
      const name = (raw.rawHeaders[at] ?? '').toLowerCase()
      if (ONCE.has(name) && seen.has(name)) throw new InvalidError('request.invalid', `The header ${name} came twice: send it once.`)
      seen.add(name)
    }
  })
}

/** Answers bytes that are no HTTP request, before there is one: with a problem document, as everywhere. */
export function answerUnreadable(error: Error, socket: Socket): void {
  if (!socket.writable || hasCode(error, 'ECONNRESET')) return void socket.destroy(error)
  const requestId = randomWord(12)
  const problem = problemOf(new InvalidError('request.unreadable', reasonOf(error)), requestId)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function reasonOf(error: Error): string {
  if (hasCode(error, 'HPE_HEADER_OVERFLOW')) return 'The headers of this request are larger than 16 KiB together.'
  if (hasCode(error, 'ERR_HTTP_REQUEST_TIMEOUT')) return `The headers of this request did not come within ${HEADERS_MS / 1_000} s.`
  const reason = 'reason' in error && typeof error.reason === 'string' && error.reason !== '' ? ` (${error.reason})` : ''
  return `This is no request in HTTP/1.1${reason}. Where TLS is meant, it is spoken by the proxy in front.`
}
