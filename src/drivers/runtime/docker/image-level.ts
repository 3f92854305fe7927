// Images of a registry that knows us are not for everybody: the level at which its credential is used is theirs as well.
import { highestTrust, isTrustedFor, type Trust } from '../../../core/trust/trust.ts'
import { PolicyError } from '../../../lib/errors.ts'
import { fullName } from './reference.ts'
import type { Image } from './schema.ts'

interface Leveled {
  /** The least level at which the credential of a registry is used; untrusted: there is none. */
  readonly registryLevel: (host: string) => Promise<Trust>
}

/** Everybody's, also for who signs in there to be given more of them. */
const FREE = 'docker.io/library/'

/** The least level of trust that images of these names are for. */
export async function levelOfNames({ registryLevel }: Leveled, names: readonly string[]): Promise<Trust> {
  const full = names.flatMap((name) => fullName(name) ?? []).filter((name) => !name.startsWith(FREE))
  const levels = await Promise.all([...new Set(full.map((name) => name.split('/')[0] ?? ''))].map((host) => registryLevel(host)))
  return highestTrust(levels)
}

/** The least level of an image of the engine, by all names that it has from registries: names that Lockgate gives are from none. */
export function levelOfImage(place: Leveled & { readonly installation: string }, image: Image): Promise<Trust> {
  const tags = image.RepoTags.filter((tag) => !tag.startsWith(`lockgate-${place.installation}/`))
  return levelOfNames(place, [...tags, ...image.RepoDigests])
}

/** Throws PolicyError `image.not_trusted` for an image that is for a higher level only. */
export function refuseHigher(text: string, level: Trust, used: Trust): void {
  if (isTrustedFor(used, level)) return
  throw new PolicyError(
    'image.not_trusted',
    `The image ${text} is of a registry whose credential is for ${level} environments, and this one is ${used}: name an image of another registry, or ask an administrator to set the credential for a lower level`,
  )
}
