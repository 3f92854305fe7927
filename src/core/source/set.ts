import { createHash } from 'node:crypto'
import { ConflictError, InvalidError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import type { Source } from '../build/source.ts'
import type { Context } from '../context.ts'
import { sealCredential } from './credential.ts'
import type { CodeSource } from './source.ts'
import { readRemoteUrl } from './url.ts'

export interface SetSource {
  readonly actor: Actor
  readonly app: App
  readonly url: string
  readonly username: string | null
  /** A token, a private key of OpenSSH, `new` for a key pair made here, or nothing for a public repository. */
  readonly credential: { readonly kind: 'token' | 'key'; readonly secret: string } | { readonly kind: 'new-key' } | null
  /** The fingerprint of the ssh host key that is right: `SHA256:…`. */
  readonly fingerprint: string | null
  readonly everyMs: number
  /** URLs of submodules that the credential is for as well. */
  readonly submodules: readonly string[]
}

export interface SetAnswer {
  readonly source: CodeSource
  /** Of a key pair that was made here: to be given to the code host. */
  readonly publicKey: string | null
}

type Needs = Pick<Context, 'store' | 'clock' | 'sealer' | 'settings'>

/**
 * Says where the code of an app is fetched from, in place of what was said before. An ssh host's key is pinned: the first
 * time its fingerprint has to be named. Throws InvalidError `source.url_refused`, `source.credential_refused`, ConflictError
 * `source.host_key_unconfirmed`, and what a look at the host throws.
 */
export async function setSource(context: Needs, git: Pick<Source, 'look' | 'hostKeys' | 'makeKey'>, input: SetSource): Promise<SetAnswer> {
  const { app, actor } = input
  const url = readRemoteUrl(input.url, context.settings.allowHttpSources)
  check(input, url.protocol)
  const submodules = input.submodules.map((text) => readRemoteUrl(text, context.settings.allowHttpSources).text)
  const scope = { projectId: app.projectId }
  const before = await context.store.read.sources.find(scope, app.id)
  const knownHosts = url.protocol === 'ssh' ? await pinned(git, { url: url.text, before, fingerprint: input.fingerprint }) : ''
  const made = input.credential?.kind === 'new-key' ? await git.makeKey(`lockgate ${app.name}`) : null
  const secret = made?.privateKey ?? (input.credential && 'secret' in input.credential ? input.credential.secret : null)
  const source: CodeSource = {
    appId: app.id,
    projectId: app.projectId,
    url: url.text,
    username: input.username,
    kind: input.credential === null ? 'none' : input.credential.kind === 'token' ? 'token' : 'key',
    credential: secret === null ? null : sealCredential(context, { appId: app.id, url: url.text }, secret),
    submodules,
    knownHosts,
    everyMs: input.everyMs,
    seen: {},
    checkedAt: null,
    nextAt: context.clock.now(),
    failures: 0,
    problem: null,
    version: 1,
  }
  // A key that was just made is not known to the host yet: the first look comes by itself.
  if (made === null) await git.look(source)
  const saved = await context.store.transaction(async (tx) => {
    // Read again: while the host was asked a look of the loop may have ended, or somebody else may have set another.
    const current = await tx.sources.find(scope, app.id)
    const kept = current === null ? await tx.sources.insert(source) : await tx.sources.save(current, anew(source, current))
    const data = { url: url.text, credential: source.kind, submodules }
    await tx.record({ kind: 'source.set', actor, projectId: app.projectId, appId: app.id, subject: app.id, data })
    return kept
  })
  return { source: saved, publicKey: made?.publicKey ?? null }
}

/** Of the same repository it stays known what was seen there. */
function anew(source: CodeSource, current: CodeSource): CodeSource {
  const { seen, checkedAt } = current.url === source.url ? current : source
  return { ...source, seen, checkedAt, version: current.version }
}

function check({ credential, fingerprint }: SetSource, protocol: string): void {
  if (fingerprint !== null && protocol !== 'ssh')
    throw new InvalidError('source.credential_refused', 'A host key goes with an ssh URL; the host of an https URL is known by its certificate.')
  if (credential?.kind === 'token' && protocol === 'ssh') throw new InvalidError('source.credential_refused', 'An ssh URL goes with a key, not with a token.')
  if (credential !== null && credential.kind !== 'token' && protocol !== 'ssh')
    throw new InvalidError('source.credential_refused', 'A key goes with an ssh URL such as git@host:team/app.git.')
  if (credential?.kind === 'key' && !/^-----BEGIN [A-Z ]*PRIVATE KEY-----\n[\s\S]+-----END [A-Z ]*PRIVATE KEY-----\s*$/.test(credential.secret))
    throw new InvalidError('source.credential_refused', 'That is not a private key without a passphrase in the form of OpenSSH.')
  if (credential?.kind === 'token' && !/^[\x21-\x7e]{4,4000}$/.test(credential.secret))
    throw new InvalidError('source.credential_refused', 'A token has no spaces and no line ends.')
}

/** Keys that were pinned stay pinned while they are shown; a first or a changed one has to be named. */
async function pinned(
  git: Pick<Source, 'hostKeys'>,
  about: { readonly url: string; readonly before: CodeSource | null; readonly fingerprint: string | null },
): Promise<string> {
  const shown = (await git.hostKeys(about.url)).split('\n').filter((line) => line !== '')
  const known = new Set(about.before?.knownHosts.split('\n') ?? [])
  const right = shown.filter((line) => known.has(line) || (about.fingerprint !== null && fingerprintOf(line) === about.fingerprint))
  if (right.length > 0) return `${right.join('\n')}\n`
  const list = shown.map((line) => `${fingerprintOf(line)} (${line.split(' ')[1]})`)
  throw new ConflictError(
    'source.host_key_unconfirmed',
    `${about.fingerprint === null ? '' : `The host does not have the key ${about.fingerprint}. `}The host shows these ssh keys: ${list.join(', ')}. Compare them with what the host publishes, and name the right one with --host-key.`,
    { details: { fingerprints: shown.map(fingerprintOf) } },
  )
}

/** `SHA256:…` as ssh-keygen -l prints it, of a line of known_hosts(5). */
export function fingerprintOf(line: string): string {
  const key = Buffer.from(line.split(' ')[2] ?? '', 'base64')
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** Forgets where code is fetched from, and the credential with it. Of nothing is fine. */
export function removeSource(context: Pick<Context, 'store'>, input: { readonly actor: Actor; readonly app: App }): Promise<void> {
  const { app, actor } = input
  return context.store.transaction(async (tx) => {
    if ((await tx.sources.find({ projectId: app.projectId }, app.id)) === null) return
    await tx.sources.remove(app.id)
    await tx.record({ kind: 'source.removed', actor, projectId: app.projectId, appId: app.id, subject: app.id })
  })
}
