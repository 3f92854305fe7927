import type { FastifyReply } from 'fastify'

const HEARTBEAT_MS = 15_000

/** One message of a stream; `id` comes back as Last-Event-ID when the reader reconnects. */
export interface LiveMessage<T = unknown> {
  readonly id?: string | number
  readonly data: T
}

/**
 * Answers with server-sent events until the messages end, the reader leaves or the server stops. An `end` event tells a
 * reader that there is no more, so that it does not reconnect.
 */
export async function sendLive(reply: FastifyReply, messages: AsyncIterable<LiveMessage>, stop: AbortController): Promise<void> {
  reply.hijack()
  const response = reply.raw
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  response.write(': here\n\n')
  response.on('close', () => stop.abort())
  const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS)
  try {
    for await (const message of messages) {
      if (stop.signal.aborted) return
      const id = message.id === undefined ? '' : `id: ${message.id}\n`
      const fits = response.write(`${id}data: ${JSON.stringify(message.data)}\n\n`)
      if (!fits) await drained(response, stop.signal)
    }
    if (!stop.signal.aborted) response.write('event: end\ndata: {}\n\n')
  } catch {
    // The reader is told by the broken stream, and comes back with Last-Event-ID.
  } finally {
    clearInterval(heartbeat)
    response.end()
  }
}

function drained(response: NodeJS.WritableStream & NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.removeListener('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    response.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
  })
}
