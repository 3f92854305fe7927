/** From least to most: each may all that the one before may. */
export const ROLES = ['viewer', 'developer', 'releaser', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** Who does something. `projectId` is null for an actor of the whole installation. */
export interface Actor {
  readonly kind: 'token' | 'platform'
  /** `ada`, `token ci`, `lockgate`. */
  readonly name: string
  readonly role: Role
  readonly projectId: string | null
}

/** Whose objects a caller may see: one project's, or all. Every look-up by id asks for it. */
export interface Scope {
  readonly projectId: string | null
}

export const EVERYTHING: Scope = { projectId: null }

/** The platform itself, for what it does unasked. */
export const PLATFORM: Actor = { kind: 'platform', name: 'lockgate', role: 'admin', projectId: null }

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

/** Tokens start with this, so that secret scanners know them. */
export const TOKEN_PREFIX = 'lgt_'
