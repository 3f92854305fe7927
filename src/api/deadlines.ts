// A client that sends half of a request, or does not read its answer, does not keep it open: a bound for headers, for bodies, and for
// silence in a stream in both directions.
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'

export const HEADERS_MS = 20_000
const BODY_MS = 30_000
/** Pushes and folders may take long; they may not be silent for longer than this. */
const SILENCE_MS = 120_000
const LOOK_MS = 5_000
/** Sockets of all clients together. */
export const MOST_CONNECTIONS = 4_000

/** Ends requests whose bodies do not come, and those whose clients do not read the answer. `streams`: whether a request's body is read as it comes, by its handler. */
export function boundBodies(server: FastifyInstance, streams: (request: FastifyRequest) => boolean): void {
  server.addHook('onRequest', async (request, reply) => {
    const stop = streams(request) ? watchSilence(request) : watchBody(request)
    reply.raw.once('close', stop)
    request.raw.once('end', stop)
    reply.raw.once('close', endUnread(request.raw.socket))
    // Answered before all of it came: what else is sent has no reader. A request that is destroyed has no socket any more.
    const { socket } = request.raw
    reply.raw.once('finish', () => request.raw.complete || socket.destroySoon())
  })
}

function watchBody({ raw }: FastifyRequest): () => void {
  const timer = setTimeout(() => {
    if (!raw.complete) raw.destroy()
  }, BODY_MS).unref()
  return () => clearTimeout(timer)
}

function watchSilence({ raw }: FastifyRequest): () => void {
  const { socket } = raw
  let bytes = socket.bytesRead
  let silentMs = 0
  const timer = setInterval(() => {
    // What we have not read yet is our own slowness.
    const isHeard = socket.bytesRead !== bytes || raw.readableLength > 0 || raw.complete
    silentMs = isHeard ? 0 : silentMs + LOOK_MS
    bytes = socket.bytesRead
    if (silentMs >= SILENCE_MS) raw.destroy()
  }, LOOK_MS).unref()
  return () => clearInterval(timer)
}

/**
 * Ends a connection that takes nothing of what waits for it: behind a stream, a log or a pack for a reader who went to sleep stand
 * programs and memory. Gives what ends the watch.
 */
export function endUnread(socket: Socket, { silenceMs, lookMs } = { silenceMs: SILENCE_MS, lookMs: LOOK_MS }): () => void {
  let taken = 0
  let unreadMs = 0
  const timer = setInterval(() => {
    const now = socket.bytesWritten - socket.writableLength
    unreadMs = socket.writableLength > 0 && now === taken ? unreadMs + lookMs : 0
    taken = now
    if (unreadMs >= silenceMs) socket.destroy()
  }, lookMs).unref()
  return () => clearInterval(timer)
}
