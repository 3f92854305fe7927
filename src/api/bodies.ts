// What a body has to be before a route reads it: of the kind that the route takes, and text that stays what it is when it is kept.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { InvalidError } from '../lib/errors.ts'
import type { Endpoint } from './contract/endpoint.ts'

const JSON_TYPE = 'application/json'
/** No body of ours is nested so deep. */
const DEEPEST = 64

/** Reads JSON, and passes bodies that are streams to their handler, which reads and bounds them. */
export function takeBodies(server: FastifyInstance, uploads: ReadonlySet<string>): void {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser<Buffer>(JSON_TYPE, { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => readJson(body))
  for (const type of uploads) server.addContentTypeParser(type, (_request, payload, done) => done(null, payload))
}

/** `application/gzip` of `Application/GZIP; x=y`; null: the request does not say. */
export function mediaTypeOf({ headers }: Pick<FastifyRequest, 'headers'>): string | null {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? null
}

/** Throws InvalidError `request.invalid` when the body that comes is not of the kind that the route takes. */
export function refuseOtherBodies(endpoint: Pick<Endpoint, 'upload' | 'body'>, request: FastifyRequest): void {
  const { headers } = request
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  const wanted = endpoint.upload ?? JSON_TYPE
  const type = mediaTypeOf(request)
  if (hasBody ? type !== wanted : endpoint.upload !== undefined && type !== wanted)
    throw new InvalidError(
      'request.invalid',
      `This route takes a body as ${wanted}, and ${type === null ? 'no Content-Type came' : `"${type.slice(0, 100)}" came`}: set the header Content-Type.`,
    )
  if (!hasBody) return
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (coding !== 'identity')
    throw new InvalidError('request.invalid', `A body is sent as it is here, and not in the Content-Encoding "${coding.slice(0, 100)}".`)
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '') ?? []
  if (wanted === JSON_TYPE && charset.toLowerCase() !== 'utf-8')
    throw new InvalidError('request.invalid', `JSON is sent in UTF-8, and not in "${charset.slice(0, 100)}".`)
}

/** Throws InvalidError `request.invalid` when a route is sent a query or a body that says something and that it does not read. */
export function refuseUnread(endpoint: Endpoint, { body, query }: Pick<FastifyRequest, 'body' | 'query'>): void {
  const [name] = Object.keys(query ?? {})
  // Who only asks whether we are there may make each question another one, for what keeps answers.
  if (!endpoint.query && name !== undefined && endpoint.permission !== 'public')
    throw new InvalidError('request.invalid', `This route takes no query, and "${name.slice(0, 100)}" would not be read.`)
  if (endpoint.body || endpoint.upload !== undefined || body === undefined || body === null) return
  if (typeof body === 'object' && Object.keys(body).length === 0) return
  throw new InvalidError('request.invalid', 'This route takes no body, and what was sent would not be read.')
}

/** Throws InvalidError `request.invalid`, with the place of what cannot be kept as it is. */
export function readJson(bytes: Buffer): unknown {
  let text = ''
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new InvalidError('request.invalid', 'The body is not text in UTF-8.', { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new InvalidError('request.invalid', `The body is not JSON: ${cause instanceof Error ? cause.message.slice(0, 200) : ''}`, { cause })
  }
  refuseUnkeepable(value)
  refuseDoubled(text)
  return value
}

interface Place {
  readonly value: unknown
  readonly path: string
  readonly depth: number
}

/** A stack of our own: what is nested deep must not fill that of the program. */
function refuseUnkeepable(root: unknown): void {
  const places: Place[] = [{ value: root, path: 'body', depth: 0 }]
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, path, depth } = place
    if (typeof value === 'string') refuseText(value, path)
    if (typeof value !== 'object' || value === null) continue
    if (depth >= DEEPEST) throw new InvalidError('request.invalid', `The body is nested more than ${DEEPEST} deep.`)
    for (const [key, inner] of Object.entries(value)) {
      refuseText(key, `a name in ${path}`)
      if (key === '__proto__') throw new InvalidError('request.invalid', `${path}: nothing can have the name "__proto__".`)
      places.push({ value: inner, path: `${path}.${key.slice(0, 100)}`, depth: depth + 1 })
    }
  }
}

/** Names with the colon behind them, other texts, and where objects and lists begin and end. */
const TOKENS = /(?<name>"[^"\\]*(?:\\.[^"\\]*)*")(?=\s*:)|"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g

/** Of a name that stands twice JSON.parse keeps the last, and another reader the first. `text` is valid JSON. */
function refuseDoubled(text: string): void {
  const open: Set<unknown>[] = []
  for (const { 0: token, groups } of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set())
    else if (token === '}' || token === ']') open.pop()
    else if (groups?.['name'] !== undefined) {
      const name: unknown = JSON.parse(token)
      const names = open.at(-1)
      if (names?.has(name)) throw new InvalidError('request.invalid', `The body has the name ${JSON.stringify(name).slice(0, 100)} twice in one object.`)
      names?.add(name)
    }
  }
}

function refuseText(text: string, path: string): void {
  if (text.includes('\0')) throw new InvalidError('request.invalid', `${path} holds a NUL byte.`)
  if (!text.isWellFormed()) throw new InvalidError('request.invalid', `${path} holds half of a character (a lone surrogate), which would not be kept as it is.`)
}
