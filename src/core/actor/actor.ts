/** From least to most: each may all that the one before may. */
export const ROLES = ['viewer', 'developer', 'releaser', 'admin'] as const
export type Role = (typeof ROLES)[number]

export const ACTOR_KINDS = ['token', 'platform', 'sign_in_code'] as const
export type ActorKind = (typeof ACTOR_KINDS)[number]

/** Who did something, as rows and events keep it. Two actors are the same when kind and id are equal; the name is for people. */
export interface ActorRef {
  readonly kind: ActorKind
  /** Of a token its id; null: a record from before identities were kept knows the name only. */
  readonly id: string | null
  readonly name: string
}

/** Who does something now, and what they may do. `projectId` is null for an actor of the whole installation. */
export interface Actor extends ActorRef {
  readonly role: Role
  readonly projectId: string | null
}

/** Whose objects a caller may see: one project's, or all. Every look-up by id asks for it. */
export interface Scope {
  readonly projectId: string | null
}

export const EVERYTHING: Scope = { projectId: null }

/** The platform itself, for what it does unasked. */
export const PLATFORM: Actor = { kind: 'platform', id: 'lockgate', name: 'lockgate', role: 'admin', projectId: null }

/** The identity of an actor, without what it may do. */
export function refOf({ kind, id, name }: ActorRef): ActorRef {
  return { kind, id, name }
}

/** Names that only Lockgate itself uses; a token with one of them could pass for it. */
const RESERVED_NAMES: readonly string[] = ['lockgate', 'platform', 'system', 'nobody', 'anonymous', 'installation', 'sign-in code', 'root']

/** Whether a token may not have this name: compared without case, spaces and marks, as people read it. */
export function isReservedName(name: string): boolean {
  const read = (text: string): string =>
    text
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]/gu, '')
  return RESERVED_NAMES.some((reserved) => read(reserved) === read(name))
}

/** A token as it is kept: the secret only as SHA-256 (it is 160 random bits, so no slow hash is needed). */
export interface Token {
  readonly id: string
  readonly projectId: string | null
  readonly name: string
  readonly hash: string
  readonly role: Role
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  readonly createdAt: number
  readonly lastUsedAt: number | null
}

/** Whether a token opens the door at this time (wall milliseconds). */
export function isGood(token: Pick<Token, 'revokedAt' | 'expiresAt'>, now: number): boolean {
  return token.revokedAt === null && (token.expiresAt === null || token.expiresAt > now)
}

/** Tokens start with this, so that secret scanners know them. */
export const TOKEN_PREFIX = 'lgt_'
