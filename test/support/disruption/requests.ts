// One request of each kind. Each resolves with null when it went well and with the reason when not; none is ever repeated.
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import { WebSocket } from 'ws'
import type { DisruptionOptions, Kind } from './types.ts'

export interface Client {
  readonly options: DisruptionOptions
  readonly agent: Agent
}

export function openClient(options: DisruptionOptions): Client {
  return { options, agent: new Agent({ keepAlive: true, maxSockets: 64, scheduling: 'fifo' }) }
}

const EVENTS = 10
const PART_MS = 100
const PARTS = 5
const PART_BYTES = 32_768

export function send(client: Client, kind: Kind): Promise<string | null> {
  const path = client.options.path ?? '/'
  if (kind === 'new') return exchange(client, { path, check: anything })
  if (kind === 'kept') return exchange(client, { path, check: anything, kept: true })
  if (kind === 'h2c') return overH2(client, path)
  if (kind === 'sse') return exchange(client, { path: `/sse?events=${EVENTS}&ms=${PART_MS}`, check: allEvents })
  if (kind === 'upload') return exchange(client, { path: '/upload', check: allBytesCounted, upload: true })
  if (kind === 'download') return exchange(client, { path: `/download?bytes=${PARTS * PART_BYTES}&ms=${PARTS * PART_MS}`, check: allBytes })
  return echo(client)
}

interface Exchange {
  readonly path: string
  readonly check: (body: Buffer) => string | null
  readonly kept?: boolean
  readonly upload?: boolean
}

const anything = (): null => null
const allEvents = (body: Buffer): string | null => (body.toString().split('\n\n').length - 1 === EVENTS ? null : 'events are missing')
const allBytesCounted = (body: Buffer): string | null => (body.toString() === String(PARTS * PART_BYTES) ? null : 'the app got other bytes')
const allBytes = (body: Buffer): string | null => (body.length === PARTS * PART_BYTES ? null : 'bytes are missing')

function exchange(client: Client, what: Exchange): Promise<string | null> {
  const { port, host, timeoutMs = 30_000 } = client.options
  return new Promise((resolve) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      path: what.path,
      method: what.upload ? 'POST' : 'GET',
      agent: what.kept ? client.agent : false,
      headers: { host, ...(what.upload ? { 'content-length': PARTS * PART_BYTES } : {}) },
    })
    const timer = setTimeout(() => finish(`no end in ${timeoutMs} ms`), timeoutMs)
    function finish(reason: string | null): void {
      clearTimeout(timer)
      if (reason !== null) request.destroy()
      resolve(reason)
    }
    request.on('error', (error) => finish(`${nameOf(error)} before the answer, ${request.reusedSocket ? 'kept' : 'new'} connection`))
    request.on('response', (response) => judge({ response, what, finish }))
    if (what.upload) sendParts(request)
    else request.end()
  })
}

function judge({ response, what, finish }: { readonly response: IncomingMessage; readonly what: Exchange; finish(reason: string | null): void }): void {
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  response.on('error', (error) => finish(`${nameOf(error)} within the answer`))
  response.on('end', () => {
    const status = response.statusCode ?? 0
    finish(status >= 200 && status < 400 ? what.check(Buffer.concat(chunks)) : `status ${status}`)
  })
}

function sendParts(request: ClientRequest): void {
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    request.write(Buffer.alloc(PART_BYTES, 'u'))
    if (sent < PARTS) return
    clearInterval(timer)
    request.end()
  }, PART_MS)
  request.on('close', () => clearInterval(timer))
}

function overH2(client: Client, path: string): Promise<string | null> {
  const { port, host, timeoutMs = 30_000 } = client.options
  return new Promise((resolve) => {
    const session = connectH2(`http://127.0.0.1:${port}`)
    const timer = setTimeout(() => finish(`no end in ${timeoutMs} ms`), timeoutMs)
    function finish(reason: string | null): void {
      clearTimeout(timer)
      session.destroy()
      resolve(reason)
    }
    session.on('error', (error) => finish(nameOf(error)))
    const stream = session.request({ ':path': path, ':authority': host })
    let status = 0
    stream.on('response', (headers) => {
      status = Number(headers[':status'])
    })
    stream.on('error', (error) => finish(nameOf(error)))
    stream.on('data', () => undefined)
    stream.on('end', () => finish(status === 200 ? null : `status ${status}`))
  })
}

function echo(client: Client): Promise<string | null> {
  const { port, host, timeoutMs = 30_000 } = client.options
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host } })
    const timer = setTimeout(() => finish(`no end in ${timeoutMs} ms`), timeoutMs)
    let heard = 0
    function finish(reason: string | null): void {
      clearTimeout(timer)
      resolve(reason)
      if (reason !== null) socket.terminate()
    }
    socket.on('open', () => socket.send('0'))
    socket.on('message', (data) => {
      if (data.toString() !== String(heard)) return finish('another echo')
      heard += 1
      if (heard === EVENTS) socket.close(1000)
      else setTimeout(() => socket.readyState === WebSocket.OPEN && socket.send(String(heard)), PART_MS)
    })
    socket.on('close', (code) => finish(heard === EVENTS ? null : `closed with ${code}`))
    socket.on('unexpected-response', (_request, response) => finish(`status ${response.statusCode}`))
    socket.on('error', (error) => finish(nameOf(error)))
  })
}

function nameOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : error.message
  if (code === 'ECONNRESET') return 'reset'
  if (code === 'ECONNREFUSED') return 'refused'
  return code
}
