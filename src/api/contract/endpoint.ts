import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Permission } from '../../core/actor/may.ts'

/** One route of the API: everything a client, the server and the reference need to know of it. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With `:name` for parameters. */
  readonly path: string
  readonly summary: string
  /** `public`: no actor is needed, and each such route says why in its description. */
  readonly permission: Permission | 'public'
  readonly description?: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** The body is a stream of this media type, handed to the handler as it comes; there is no `body` then. */
  readonly upload?: string
  readonly response: z.ZodType
  /** Server-sent events, each with `response` as its data; resumes with Last-Event-ID. */
  readonly stream?: true
}

/** What a caller of an endpoint gives. */
export type InputOf<E extends Endpoint> = (E['params'] extends z.ZodObject ? { readonly params: z.input<E['params']> } : unknown) &
  (E['query'] extends z.ZodObject ? { readonly query?: z.input<E['query']> } : unknown) &
  (E['upload'] extends string ? { readonly stream: ReadableStream<Uint8Array> } : unknown) &
  (E['body'] extends z.ZodType ? { readonly body: z.input<E['body']> } : unknown)

/** What a handler is given of a request: each part read once, by the schema of its endpoint; a body that is a stream as it comes. */
export interface GivenOf<E extends Endpoint> {
  readonly params: E['params'] extends z.ZodObject ? z.output<E['params']> : unknown
  readonly query: E['query'] extends z.ZodObject ? z.output<E['query']> : unknown
  readonly body: E['upload'] extends string ? Readable : E['body'] extends z.ZodType ? z.output<E['body']> : unknown
}

export type AnswerOf<E extends Endpoint> = z.output<E['response']>

/** Keeps the literal types of an endpoint. */
export function endpoint<const E extends Endpoint>(definition: E): E {
  return definition
}
