import { randomUUID } from 'node:crypto'
import { Agent, createServer, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { EnvironmentTraffic, RouteTarget, RoutingTable } from '../../../core/route/route.ts'

interface Flight {
  readonly instance: string
  end(): void
}

interface Found {
  readonly traffic: EnvironmentTraffic | undefined
  readonly target: RouteTarget | undefined
}

/** The data plane of the fake edge: routes by host and longest path, counts what is in flight. */
export class FakePlane {
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #flights = new Set<Flight>()
  #table: RoutingTable | null = null
  #next = 0

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
    // A stream may be silent for longer than Node's own limits.
    this.#server.requestTimeout = 0
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(request, { socket, head }))
  }

  static async open(port: number): Promise<FakePlane> {
    const plane = new FakePlane()
    await new Promise<void>((resolve, reject) => plane.#server.once('error', reject).listen(port, resolve))
    return plane
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get generation(): number | null {
    return this.#table?.generation ?? null
  }

  take(table: RoutingTable): void {
    this.#table = table
  }

  inFlight(instance: string): number {
    return [...this.#flights].filter((flight) => flight.instance === instance).length
  }

  cut(instance: string): number {
    const flights = [...this.#flights].filter((flight) => flight.instance === instance)
    for (const flight of flights) flight.end()
    return flights.length
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const flight of this.#flights) flight.end()
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await closed
  }

  /** null: no route. */
  #find(request: IncomingMessage): Found | null {
    const host = (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
    const path = `${(request.url ?? '/').split('?')[0]}/`
    const matching = (name: string) =>
      (this.#table?.routes ?? [])
        .filter((route) => route.host === name && path.startsWith(route.path === '/' ? '/' : `${route.path}/`))
        .toSorted((a, b) => b.path.length - a.path.length)[0]
    const route = matching(host) ?? matching(host.replace(/^[^.]*/, '*'))
    if (!route) return null
    const ready = (this.#table?.arms.find((arm) => arm.id === route.stable)?.targets ?? []).filter((target) => target.ready)
    this.#next += 1
    return { traffic: this.#table?.environments[route.stable], target: ready[this.#next % Math.max(1, ready.length)] }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const id = randomUUID()
    response.setHeader('x-request-id', id)
    const found = this.#find(request)
    if (!found) return page(response, { status: 404, text: 'No app has this address.' })
    if (!found.target) return notServing(response, found.traffic)
    const upstream = httpRequest({
      host: found.target.address,
      port: found.target.port,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: forwarded(request, id),
      agent: this.#agent,
    })
    const flight = this.#fly(found.target.instance, () => {
      upstream.destroy()
      response.destroy()
    })
    response.on('close', () => {
      this.#flights.delete(flight)
      upstream.destroy()
    })
    upstream.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'x-request-id': id })
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    upstream.on('error', () => (response.headersSent ? response.destroy() : page(response, { status: 502, text: 'The app ended the connection.' })))
    request.pipe(upstream)
  }

  #upgrade(request: IncomingMessage, client: { readonly socket: Duplex; readonly head: Buffer }): void {
    const { socket, head } = client
    const found = this.#find(request)
    if (!found?.target) {
      socket.end(`HTTP/1.1 ${found ? '503 Service Unavailable' : '404 Not Found'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      return
    }
    const { address, port, instance } = found.target
    const headers = { ...forwarded(request, randomUUID()), connection: 'upgrade', upgrade: request.headers.upgrade }
    const upstream = httpRequest({ host: address, port, path: request.url ?? '/', headers })
    const flight = this.#fly(instance, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#flights.delete(flight)
      upstream.destroy()
    })
    upstream.on('error', () => socket.destroy())
    upstream.on('response', (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} \r\nContent-Length: 0\r\nConnection: close\r\n\r\n`))
    upstream.on('upgrade', (answer: IncomingMessage, server: Socket, first: Buffer) => {
      const lines = answer.rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${answer.rawHeaders[index + 1]}`] : []))
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
      if (first.length > 0) socket.write(first)
      if (head.length > 0) server.write(head)
      server.on('error', () => socket.destroy())
      server.on('close', () => socket.destroy())
      socket.on('close', () => server.destroy())
      server.pipe(socket).pipe(server)
    })
    upstream.end()
  }

  #fly(instance: string, end: () => void): Flight {
    const flight: Flight = { instance, end }
    this.#flights.add(flight)
    return flight
  }
}

function forwarded(request: IncomingMessage, id: string): IncomingHttpHeaders {
  const kept = Object.entries(request.headers).filter(([name]) => !name.startsWith('x-forwarded-') && name !== 'forwarded' && name !== 'connection')
  const client = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  return {
    ...Object.fromEntries(kept),
    'x-forwarded-for': client,
    'x-forwarded-proto': 'http',
    'x-forwarded-host': request.headers.host ?? '',
    'x-forwarded-port': String(request.socket.localPort),
    'x-real-ip': client,
    'x-request-id': id,
  }
}

function notServing(response: ServerResponse, traffic: EnvironmentTraffic | undefined): void {
  response.setHeader('retry-after', String(traffic?.page.retryAfterSeconds ?? 5))
  page(response, { status: 503, text: traffic ? `${traffic.title} is ${traffic.page.state}. ${traffic.page.sentence}` : 'Not available.' })
}

function page(response: ServerResponse, answer: { readonly status: number; readonly text: string }): void {
  const text = answer.text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  response.writeHead(answer.status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`<!doctype html><meta name="color-scheme" content="light dark"><p>${text}</p>`)
}
