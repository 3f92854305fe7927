/** One sealed value. Versions of a name grow; a revoked one is never used again, not even by a rollback. */
export interface SecretVersion {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  readonly name: string
  readonly version: number
  readonly sealed: SealedValue
  readonly revokedAt: number | null
  readonly createdAt: number
}

/** AES-256-GCM: nonce, ciphertext and tag as base64; `keyId` names the key in the key file. */
export interface SealedValue {
  readonly keyId: string
  readonly nonce: string
  readonly ciphertext: string
  readonly tag: string
}

/** Seals and opens values; the key lives in a file apart from the database. */
export interface Sealer {
  seal(value: string, context: SecretContext): SealedValue
  /** Throws RejectedError `secret.cannot_open` when the key is missing or the text was changed or moved. */
  open(sealed: SealedValue, context: SecretContext): string
  /** A keyed hash of a named value: says whether two values are equal, and cannot be tried out without the key file. */
  fingerprint(name: string, value: string): string
}

/** The additional data of the encryption: a sealed value opens only where it belongs. */
export interface SecretContext {
  readonly environmentId: string
  readonly name: string
  readonly version: number
}
