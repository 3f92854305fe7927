// Which registries the engine is sent to for an image that somebody named for an app: it asks from inside our network.
import { get } from 'node:https'
import { type BlockList, isIP } from 'node:net'
import { codeOf, RejectedError } from '../../../lib/errors.ts'
import { outsideAddress } from '../../../lib/outside.ts'

const REALM_MS = 3_000
/** As the engine says it: a registry that answers others otherwise would be easy to write. */
const USER_AGENT = 'docker/26.1.5 go/go1.22 UpstreamClient(Docker-Client/26.1.5 \\(linux\\))'

/** What decides where a registry may be. */
interface Guarded {
  readonly registryCredential: (host: string) => Promise<unknown>
  readonly allowedRegistries: BlockList
}

/**
 * Refuses a registry at an address of an inner network, and one that sends its clients to such an address to sign in. Those that an
 * administrator keeps a credential for, or whose networks the settings name, may be anywhere. Throws RejectedError
 * `image.registry_not_allowed`.
 */
export async function refuseInnerRegistry(place: Guarded, registry: string): Promise<void> {
  // Docker Hub is where the engine finds it, and may be reached by way of a mirror or a proxy only.
  if (registry === 'docker.io' || (await place.registryCredential(registry)) !== null) return
  const [, host = registry, port = '443'] = /^(.*?)(?::(\d+))?$/.exec(registry) ?? []
  const address = await outside(place, registry, host)
  if (address === null) return
  const realm = await realmOf({ host, port, address })
  if (realm !== null) await outside(place, registry, realm)
}

/** null: it has no address here, and the engine will not find one either. */
async function outside({ allowedRegistries }: Pick<Guarded, 'allowedRegistries'>, registry: string, host: string): Promise<string | null> {
  try {
    return await outsideAddress(host, allowedRegistries)
  } catch (error) {
    if (codeOf(error) === 'address.unknown') return null
    if (codeOf(error) !== 'address.not_allowed') throw error
    throw new RejectedError(
      'image.registry_not_allowed',
      `The registry ${registry} is in an inner network, or signs in there, and images are not fetched from there: an administrator allows it with "lockgate registry set ${registry}", or names its network as registryNetworks of runtime.config in the settings`,
      { cause: error },
    )
  }
}

/** The host where a registry has its clients sign in (distribution's token authentication); null: it asks for none, or did not say. */
function realmOf(to: { readonly host: string; readonly port: string; readonly address: string }): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const request = get({
    // The address that was looked at: another look-up could answer otherwise.
    host: to.address,
    port: Number(to.port),
    // An address is no name of a server (RFC 6066, section 3).
    ...(isIP(to.host) === 0 ? { servername: to.host } : {}),
    path: '/v2/',
    headers: { host: to.port === '443' ? to.host : `${to.host}:${to.port}`, 'user-agent': USER_AGENT },
    // Nothing is sent that anybody may not see, and whatever is answered can only make us refuse.
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(REALM_MS),
  })
  request.on('response', (response) => {
    const [, realm = ''] = /realm="([^"]*)"/i.exec(response.headers['www-authenticate'] ?? '') ?? []
    resolve(URL.canParse(realm) ? new URL(realm).hostname : null)
    request.destroy()
  })
  // What cannot be asked by us, the engine will not get either.
  request.on('error', () => resolve(null))
  return promise
}

/** Reasons of the engine that hold nothing of what a registry answered. */
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/connection refused/i, 'the connection was refused'],
  [/no such host|server misbehaving/i, 'its host has no address'],
  [/i\/o timeout|TLS handshake timeout|context deadline|Client\.Timeout|request canceled/i, 'it did not answer in time'],
  [/x509|certificate/i, 'its certificate is not one that this machine trusts'],
  [/server gave HTTP response to HTTPS client/i, 'it speaks HTTP, and HTTPS is wanted'],
  [/network is unreachable|no route to host/i, 'there is no way to it'],
  [/toomanyrequests|rate limit/i, 'it has had too many requests'],
  [/no matching manifest/i, 'it has none for this kind of machine'],
  [/unauthorized|authentication required|no basic auth/i, 'it wants to know who we are'],
  [/denied|forbidden/i, 'it does not give it to us'],
  [/manifest unknown|not found|does not exist|name unknown|repository name not known|no such image/i, 'it does not have it'],
  [/no space left on device/i, 'the disk of the engine is full'],
  [/EOF|connection reset/i, 'it ended the connection'],
]

/**
 * Why a pull failed, in our words. The engine repeats the body of an answer that it does not understand: who named the registry would
 * read what a host of the inner network says.
 */
export function reasonOfPull(message: string): string {
  const known = REASONS.find(([pattern]) => pattern.test(withoutBody(message)))
  const [, status] = /(?:status(?: code)?:?|HTTP) (\d{3})\b/i.exec(withoutBody(message)) ?? []
  return known?.[1] ?? (status === undefined ? 'its answer was not that of a registry' : `it answered ${status}`)
}

/** What stands behind these words is what was answered. */
function withoutBody(message: string): string {
  return message.replace(/(response body|invalid character|unexpected end of JSON|parsing HTTP|unmarshal)[\s\S]*$/i, '$1')
}
