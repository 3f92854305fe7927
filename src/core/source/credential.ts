import type { Context } from '../context.ts'
import type { SealedValue } from '../secret/secret.ts'
import type { CodeSource } from './source.ts'

/** Who we are for a code host. */
export type CodeCredential =
  | { readonly kind: 'token'; readonly username: string; readonly secret: string }
  | { readonly kind: 'key'; readonly secret: string }
  | null

/** A credential of a source is bound to its app and its URL: a changed URL does not get the old token. */
function contextOf(appId: string, url: string): { readonly environmentId: string; readonly name: string; readonly version: number } {
  return { environmentId: appId, name: `source ${url}`, version: 1 }
}

/** Seals the token or key of a source. */
export function sealCredential(context: Pick<Context, 'sealer'>, source: Pick<CodeSource, 'appId' | 'url'>, secret: string): SealedValue {
  return context.sealer.seal(secret, contextOf(source.appId, source.url))
}

/** Opens it again, for git and nobody else. Throws RejectedError `secret.cannot_open`. */
export function credentialOf(context: Pick<Context, 'sealer'>, source: CodeSource): CodeCredential {
  if (source.kind === 'none' || source.credential === null) return null
  const secret = context.sealer.open(source.credential, contextOf(source.appId, source.url))
  // Hosts that take a token as password want some name with it; this one is understood by GitHub, GitLab and Gitea alike.
  return source.kind === 'key' ? { kind: 'key', secret } : { kind: 'token', username: source.username ?? 'oauth2', secret }
}
