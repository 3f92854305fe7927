import { randomUUID } from 'node:crypto'
import { Agent, createServer, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Reading } from '../../../core/instance/reading.ts'
import type { EnvironmentTraffic, RouteTarget, RoutingTable } from '../../../core/route/route.ts'
import { pause } from '../../../lib/clock.ts'
import { wayOf } from './share.ts'

interface Flight {
  readonly instance: string
  end(): void
}

interface Found {
  readonly traffic: EnvironmentTraffic | undefined
  readonly target: RouteTarget | undefined
  readonly cookie: string | null
}

interface Count {
  requests: number
  failures: number
  answerMs: number
}

const HOLD_STEP_MS = 10

/** The data plane of the fake edge: routes by host and longest path, counts what is in flight. */
export class FakePlane {
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #flights = new Set<Flight>()
  readonly #epoch = randomUUID()
  readonly #counts = new Map<string, Count>()
  /** By arm: requests that found no instance. */
  readonly #unanswered = new Map<string, number>()
  /** By environment: how many wait, and since when the hold of which token has held anybody. */
  readonly #held = new Map<string, number>()
  readonly #holdBegan = new Map<string, { readonly token: string; readonly at: number }>()
  #table: RoutingTable | null = null
  #next = 0

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
    // A stream may be silent for longer than Node's own limits.
    this.#server.requestTimeout = 0
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, { socket, head }))
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

  /** Null: the table does not name it, and nothing is in flight to it. */
  reading(instance: string): Reading | null {
    const named = this.#table?.arms.some((arm) => arm.targets.some((target) => target.instance === instance))
    if (!named && this.inFlight(instance) === 0) return null
    return { epoch: this.#epoch, ...(this.#counts.get(instance) ?? { requests: 0, failures: 0, answerMs: 0 }) }
  }

  unanswered(arm: string): number {
    return this.#unanswered.get(arm) ?? 0
  }

  held(environmentId: string): number {
    return this.#held.get(environmentId) ?? 0
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const flight of this.#flights) flight.end()
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await closed
  }

  /** null: no route. `gone`: whether the client has left while its request was held. */
  async #find(request: IncomingMessage, gone: () => boolean): Promise<Found | null> {
    const environmentId = this.#environmentOf(request)
    if (environmentId === null) return null
    const late = await this.#wait(environmentId, gone)
    // What the table says now, not what it said before the wait.
    const traffic = this.#table?.environments[environmentId]
    if (!traffic || late) return { traffic, target: undefined, cookie: null }
    const { arm, cookie } = wayOf(traffic, request.headers, (id) => this.#ready(id).length > 0)
    const ready = this.#ready(arm)
    if (ready.length === 0) this.#unanswered.set(arm, this.unanswered(arm) + 1)
    this.#next += 1
    return { traffic, target: ready[this.#next % Math.max(1, ready.length)], cookie }
  }

  #ready(arm: string): readonly RouteTarget[] {
    return (this.#table?.arms.find((one) => one.id === arm)?.targets ?? []).filter((target) => target.ready)
  }

  /** While its environment is held. True: the bound has passed. */
  async #wait(environmentId: string, gone: () => boolean): Promise<boolean> {
    const hold = this.#table?.environments[environmentId]?.hold ?? null
    if (!hold) return false
    const before = this.#holdBegan.get(environmentId)
    const began = before?.token === hold.token ? before.at : performance.now()
    this.#holdBegan.set(environmentId, { token: hold.token, at: began })
    this.#held.set(environmentId, this.held(environmentId) + 1)
    try {
      while (!gone() && this.#table?.environments[environmentId]?.hold?.token === hold.token) {
        if (performance.now() - began >= hold.boundMs) return true
        await pause(HOLD_STEP_MS)
      }
      return false
    } finally {
      this.#held.set(environmentId, this.held(environmentId) - 1)
    }
  }

  #environmentOf(request: IncomingMessage): string | null {
    const host = (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
    const path = `${(request.url ?? '/').split('?')[0]}/`
    const matching = (name: string) =>
      (this.#table?.routes ?? [])
        .filter((route) => route.host === name && path.startsWith(route.path === '/' ? '/' : `${route.path}/`))
        .toSorted((a, b) => b.path.length - a.path.length)[0]
    return (matching(host) ?? matching(host.replace(/^[^.]*/, '*')))?.environmentId ?? null
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = randomUUID()
    response.setHeader('x-request-id', id)
    const found = await this.#find(request, () => response.destroyed)
    if (response.destroyed) return
    if (!found) return page(response, { status: 404, text: 'No app has this address.' })
    if (!found.target) return notServing(response, found.traffic)
    const { cookie, target } = found
    const began = performance.now()
    const upstream = httpRequest({
      host: target.address,
      port: target.port,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: forwarded(request, id),
      agent: this.#agent,
    })
    const count = this.#countOf(target.instance)
    const flight = this.#fly(target.instance, () => {
      upstream.destroy()
      response.destroy()
    })
    response.on('close', () => {
      this.#flights.delete(flight)
      count.requests += 1
      if (response.statusCode >= 500) count.failures += 1
      upstream.destroy()
    })
    upstream.on('response', (answer) => {
      count.answerMs = performance.now() - began
      const cookies = [...(answer.headers['set-cookie'] ?? []), ...(cookie === null ? [] : [cookie])]
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}), 'x-request-id': id })
      answer.pipe(response)
      answer.on('error', () => {
        count.failures += 1
        response.destroy()
      })
    })
    upstream.on('error', () => (response.headersSent ? response.destroy() : page(response, { status: 502, text: 'The app ended the connection.' })))
    request.pipe(upstream)
  }

  async #upgrade(request: IncomingMessage, client: { readonly socket: Duplex; readonly head: Buffer }): Promise<void> {
    const { socket, head } = client
    socket.on('error', () => socket.destroy())
    const found = await this.#find(request, () => socket.destroyed)
    if (socket.destroyed) return
    if (!found?.target) {
      socket.end(`HTTP/1.1 ${found ? '503 Service Unavailable' : '404 Not Found'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      return
    }
    const { address, port, instance } = found.target
    const headers = { ...forwarded(request, randomUUID()), connection: 'upgrade', upgrade: request.headers.upgrade }
    const upstream = httpRequest({ host: address, port, path: request.url ?? '/', headers })
    const flight = this.#fly(instance, () => socket.destroy())
    const count = this.#countOf(instance)
    socket.on('close', () => {
      this.#flights.delete(flight)
      count.requests += 1
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

  #countOf(instance: string): Count {
    const count = this.#counts.get(instance) ?? { requests: 0, failures: 0, answerMs: 0 }
    this.#counts.set(instance, count)
    return count
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
