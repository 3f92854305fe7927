import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import type { Protocol } from '../../src/core/artifact/artifact.ts'
import type { Candidate, EnvironmentTraffic, Hold, RouteTarget, RoutingTable, StatePage } from '../../src/core/route/route.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One request on a connection of its own. */
export function ask(
  port: number,
  host: string,
  options: { readonly path?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path: options.path ?? '/', agent: false, headers: { host, ...options.headers } })
    request.on('error', reject)
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    request.end()
  })
}

/** Posts so many bytes to `/upload`, which answers their number. */
export function upload(at: { readonly port: number; readonly host: string }, bytes: number): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: at.port, path: '/upload', method: 'POST', agent: false, headers: { host: at.host } })
    request.on('error', reject)
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.end(Buffer.alloc(bytes, 'u'))
  })
}

/** How many milliseconds each of five server-sent events was under way. */
export function eventDelays(port: number, host: string): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path: '/sse?events=5&ms=100', agent: false, headers: { host } })
    request.on('error', reject)
    request.on('response', (response) => {
      const delays: number[] = []
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        for (const match of text.matchAll(/data: \d+ (\d+)/g)) delays.push(Date.now() - Number(match[1]))
      })
      response.on('end', () => resolve(delays))
    })
    request.end()
  })
}

export interface Served {
  readonly hosts: readonly string[]
  /** Its stable arm; default `e-<first host>/blue`. What stands before the last slash is its environment's id. */
  readonly arm?: string
  readonly targets: readonly RouteTarget[]
  readonly protocol?: Protocol
  readonly title?: string
  readonly page?: StatePage
  readonly requestTimeoutMs?: number
  /** Further arms of the environment, which get no requests unless one is the candidate. */
  readonly others?: Readonly<Record<string, readonly RouteTarget[]>>
  readonly candidate?: Candidate
  readonly hold?: Hold
  readonly repairMs?: number
}

export const RUNNING: StatePage = { state: 'starting', sentence: 'It will be there in a moment.', retryAfterSeconds: 3 }

/** A routing table in few words; a host may carry a path: `shop.test/api`. */
export function aTable(generation: number, served: readonly Served[]): RoutingTable {
  const named = served.map((entry) => {
    const arm = entry.arm ?? `e-${entry.hosts[0]}/blue`
    return { ...entry, arm, environmentId: arm.slice(0, arm.lastIndexOf('/')) }
  })
  const routes = named.flatMap(({ hosts, environmentId }) =>
    hosts.map((text) => {
      const slash = text.indexOf('/')
      return slash < 0 ? { host: text, path: '/', environmentId } : { host: text.slice(0, slash), path: text.slice(slash), environmentId }
    }),
  )
  const arms = named.flatMap((entry) => [
    { id: entry.arm, protocol: entry.protocol ?? 'http', targets: entry.targets },
    ...Object.entries(entry.others ?? {}).map(([id, targets]) => ({ id, protocol: entry.protocol ?? 'http', targets })),
  ])
  const environments = Object.fromEntries(
    named.map((entry): [string, EnvironmentTraffic] => [
      entry.environmentId,
      {
        title: entry.title ?? 'shop',
        page: entry.page ?? RUNNING,
        requestTimeoutMs: entry.requestTimeoutMs ?? 60_000,
        stable: entry.arm,
        candidate: entry.candidate ?? null,
        hold: entry.hold ?? null,
        repairMs: entry.repairMs ?? 0,
      },
    ]),
  )
  return { generation, routes, arms, environments }
}

/** An app server as a target. */
export function target(app: { readonly name: string; readonly port: number }, ready = true): RouteTarget {
  return { instance: app.name, address: '127.0.0.1', port: app.port, ready }
}

/** Posts to /echo over HTTP/2 without TLS; how many bytes came back. */
export function echo(at: { readonly port: number; readonly host: string }, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connectH2(`http://127.0.0.1:${at.port}`)
    session.on('error', reject)
    const stream = session.request({ ':path': '/echo', ':method': 'POST', ':authority': at.host })
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    stream.on('error', reject)
    stream.on('end', () => {
      session.close()
      resolve(bytes)
    })
    stream.end(body)
  })
}
