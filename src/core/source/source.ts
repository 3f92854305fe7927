import type { SealedValue } from '../secret/secret.ts'

/** A repository of another git server that an app's code is fetched from. */
export interface CodeSource {
  readonly appId: string
  readonly projectId: string
  readonly url: string
  /** For a token: the name that goes with it. */
  readonly username: string | null
  readonly kind: 'none' | 'token' | 'key'
  /** null when `kind` is none. */
  readonly credential: SealedValue | null
  /** Repositories of the same host that are fetched with the credential too, where they are submodules: who pushes does not choose them. */
  readonly submodules: readonly string[]
  /** Pinned host keys of ssh, as lines of known_hosts(5); empty for https. */
  readonly knownHosts: string
  readonly everyMs: number
  /** Branches and tags as they stood when the host answered last. */
  readonly seen: Readonly<Record<string, string>>
  /** When it answered last; null: never, and what is there is no news yet. */
  readonly checkedAt: number | null
  readonly nextAt: number
  /** Looks in a row that failed. */
  readonly failures: number
  /** Why the last look failed. */
  readonly problem: string | null
  readonly version: number
}
