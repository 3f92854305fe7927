/** An immutable fact, written in the transaction of the change it tells of; `hash` covers it and the hash before. */
export interface Event {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly actor: string
  readonly projectId: string
  readonly appId: string | null
  readonly environmentId: string | null
  /** The id of what it is about: a deployment, a build, a token. */
  readonly subject: string | null
  readonly data: Readonly<Record<string, unknown>>
  readonly previousHash: string
  readonly hash: string
}

/** A fact before it is written. */
export interface NewEvent {
  readonly kind: string
  readonly actor: string
  readonly projectId: string
  readonly appId?: string | null
  readonly environmentId?: string | null
  readonly subject?: string | null
  readonly data?: Readonly<Record<string, unknown>>
}
