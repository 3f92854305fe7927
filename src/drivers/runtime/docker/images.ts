import type { BlockList } from 'node:net'
import { z } from 'zod'
import { isOfAnotherApp } from '../../../core/artifact/artifact.ts'
import type { Trust } from '../../../core/trust/trust.ts'
import { NotFoundError, PlatformError, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import type { ImageFacts, Runtime } from '../types.ts'
import { type Call, type EngineClient, EngineRefusal, type RegistryAuth } from './client.ts'
import { levelOfImage, levelOfNames, refuseHigher } from './image-level.ts'
import { jsonLines } from './lines.ts'
import { fullName, parseReference, type Reference, registryOf } from './reference.ts'
import { reasonOfPull, refuseInnerRegistry } from './registry-guard.ts'
import { Image, Progress } from './schema.ts'

const DIGEST = /^sha256:[0-9a-f]{64}$/
const PULL_MS = 15 * 60_000
// A registry that has not said one word in this time is not there.
const ANSWER_MS = 60_000
// With the image in the engine already.
const REFRESH_MS = 10_000

/** The engine, and who we are for registries. */
export interface Registries {
  readonly client: EngineClient
  readonly registryCredential: (host: string) => Promise<RegistryAuth | null>
  readonly registryLevel: (host: string) => Promise<Trust>
  /** Inner networks in which registries may be that somebody names for an app. */
  readonly allowedRegistries: BlockList
}

/** A tag of a registry that was named may name another image today; one without a registry was likely made here. */
function mayHaveMoved(reference: Reference): boolean {
  return !reference.impliesDockerHub && !reference.tag.startsWith('sha256:')
}

/** Whether the registry gave it. With one in the engine already a registry that is away is no reason to fail. */
async function pulled(place: Registries, reference: Reference, how: { readonly isThere: boolean; readonly isOurs: boolean }): Promise<boolean> {
  const { isThere, isOurs } = how
  try {
    if (!isOurs) await refuseInnerRegistry(place, registryOf(reference))
    await pullImage(place, reference, isThere ? REFRESH_MS : ANSWER_MS)
    return true
  } catch (error) {
    if (isThere && error instanceof PlatformError) return false
    throw error
  }
}

/**
 * The image of the engine that a reference names: one of its tags, its digests in a registry or its whole id equals it. Null:
 * none does. The engine itself also takes the beginning of an id for the name of any image that it has.
 */
export async function findImage(client: EngineClient, reference: string): Promise<Image | null> {
  const wanted = DIGEST.test(reference) ? reference : fullName(reference)
  if (wanted === null) return null
  try {
    const image = await client.json(Image, { path: `/images/${encodeURI(reference)}/json` })
    const names = [...image.RepoTags, ...image.RepoDigests].map(fullName)
    return image.Id === wanted || names.includes(wanted) ? image : null
  } catch (error) {
    if (error instanceof EngineRefusal && (error.status === 404 || error.status === 400)) return null
    throw error
  }
}

/**
 * An image by tag, manifest digest or config digest, pulled when it is not there. Throws NotFoundError `image.not_found`,
 * UnavailableError `image.registry_unreachable`, RejectedError `image.pull_failed`; for what a person named for an app
 * `image.of_another_app`, PolicyError `image.not_trusted`.
 */
export async function resolveImage(
  place: Registries & { readonly installation: string },
  text: string,
  forApp?: Parameters<Runtime['resolveImage']>[1],
): Promise<ImageFacts> {
  if (forApp === undefined) return factsOf(await pulledImage(place, { text, isOurs: true }))
  // Before anything is pulled: an ordinary environment learns nothing of what a protected one may have.
  refuseHigher(text, await levelOfNames(place, [text]), forApp.trust)
  const image = await pulledImage(place, { text, isOurs: false })
  refuseHigher(text, await levelOfImage(place, image), forApp.trust)
  if (isOfAnotherApp(image.Config?.Labels ?? {}, forApp.id))
    throw new RejectedError(
      'image.of_another_app',
      `The image ${text} was built for another app, and is not for this one: push it to a registry, or build it here`,
    )
  return factsOf(image)
}

async function pulledImage(
  place: Registries & { readonly installation: string },
  { text, isOurs }: { readonly text: string; readonly isOurs: boolean },
): Promise<Image> {
  const { client, installation } = place
  if (DIGEST.test(text)) {
    const image = await findImage(client, text)
    if (image) return image
    throw new NotFoundError('image.not_found', `The engine has no image ${text}; only a name can be pulled: write NAME:TAG or NAME@sha256:…`)
  }
  const reference = parseReference(text)
  const present = await findImage(client, text)
  if (present && !mayHaveMoved(reference)) return present
  const refreshed = await pulled(place, reference, { isThere: present !== null, isOurs })
  if (present && !refreshed) return present
  const image = await findImage(client, text)
  if (!image) throw new RejectedError('image.pull_failed', `${nameOf(reference)} was pulled, but the engine does not have it`)
  await client.send({ method: 'POST', path: `/images/${image.Id}/tag`, query: pulledTag(installation, image.Id) })
  return image
}

/** Pulls; a stream that answered 200 can still end in an error. `answerMs` bounds the registry's first word. */
export async function pullImage(
  { client, registryCredential }: Pick<Registries, 'client' | 'registryCredential'>,
  reference: Reference,
  answerMs: number = ANSWER_MS,
): Promise<void> {
  const registry = await registryCredential(registryOf(reference))
  const call: Call = { method: 'POST', path: '/images/create', query: { fromImage: reference.name, tag: reference.tag }, ...(registry ? { registry } : {}) }
  try {
    await followProgress(client, { ...call, timeoutMs: answerMs }, { answerMs, allMs: PULL_MS })
  } catch (error) {
    throw pullError(error, reference)
  }
}

/** Follows a stream of progress to its end; gives the manifest digest a push made. Throws the engine's error as EngineRefusal. */
export async function followProgress(
  client: EngineClient,
  call: Call,
  limits: { readonly answerMs: number; readonly allMs: number },
): Promise<{ readonly digest: string | null }> {
  const late = new AbortController()
  let timer = setTimeout(() => late.abort(), limits.answerMs)
  let last = ''
  let digest: string | null = null
  try {
    const stream = await client.stream({ ...call, signal: late.signal })
    for await (const progress of jsonLines(stream, Progress)) {
      if (last === '') {
        clearTimeout(timer)
        timer = setTimeout(() => late.abort(), limits.allMs)
      }
      if (progress.errorDetail || progress.error) throw new EngineRefusal(500, progress.errorDetail?.message ?? progress.error ?? 'unknown error')
      last = progress.status ?? last
      digest = progress.aux?.Digest ?? digest
    }
    return { digest }
  } catch (error) {
    if (!late.signal.aborted) throw error
    throw new UnavailableError('image.registry_unreachable', `There was no answer within ${(last === '' ? limits.answerMs : limits.allMs) / 1000} s`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    late.abort()
  }
}

/**
 * Removes an image if it is ours (made by a build, or pulled by us) and no container uses it: true when it is gone. One
 * that somebody else brought into the engine stays.
 */
export async function removeImage(client: EngineClient, installation: string, digest: string): Promise<boolean> {
  // A base goes by its name, and only when no image stands on it.
  if (digest.startsWith('lockgate/')) return removeName(client, digest)
  const image = await findImage(client, digest)
  if (!image) return true
  const pulled = `${pulledTag(installation, image.Id).repo}:${pulledTag(installation, image.Id).tag}`
  const isOurs = image.RepoTags.includes(pulled) || image.RepoTags.some((tag) => tag.startsWith(`lockgate-${installation}/`))
  if (!isOurs) return false
  const users = await client.json(z.array(z.unknown()), {
    path: '/containers/json',
    query: { all: 'true', filters: JSON.stringify({ ancestor: [digest] }) },
  })
  if (users.length > 0) return false
  // Our own name goes last: while it stands, the image is known as ours after a crash in between.
  const tags = image.RepoTags.toSorted((a, b) => Number(a.startsWith('lockgate-')) - Number(b.startsWith('lockgate-')))
  for (const name of [...tags, image.Id]) if (!(await removeName(client, name))) return false
  return true
}

async function removeName(client: EngineClient, name: string): Promise<boolean> {
  try {
    await client.send({ method: 'DELETE', path: `/images/${encodeURI(name)}` })
    return true
  } catch (error) {
    if (!(error instanceof EngineRefusal)) throw error
    if (error.status === 404) return true
    if (error.status === 409) return false
    throw error
  }
}

function pulledTag(installation: string, digest: string): { readonly repo: string; readonly tag: string } {
  return { repo: `lockgate-${installation}/pulled`, tag: digest.replace('sha256:', '').slice(0, 24) }
}

/** What an image says, in our words. */
export function factsOf(image: Image): ImageFacts {
  const ports = Object.keys(image.Config?.ExposedPorts ?? {}).filter((port) => port.endsWith('/tcp'))
  return {
    digest: image.Id,
    ports: ports.map((port) => Number.parseInt(port, 10)).toSorted((a, b) => a - b),
    volumes: Object.keys(image.Config?.Volumes ?? {}).toSorted(),
    sizeBytes: image.Size,
    createdAt: Date.parse(image.Created) || 0,
  }
}

function nameOf(reference: Reference): string {
  return reference.impliesDockerHub ? `${reference.full} (a name without a registry means docker.io)` : reference.full
}

// The engine answers all of these with 404 or 500 and a text: matched here, next to the program whose text it is.
const UNREACHABLE =
  /dial tcp|no such host|i\/o timeout|connection refused|TLS handshake|x509|context deadline|request canceled|network is unreachable|EOF|proxyconnect|server misbehaving/i
const MISSING = /manifest unknown|manifest for .* not found|not found|does not exist|pull access denied|no such image|name unknown|repository name not known/i

function pullError(error: unknown, reference: Reference): unknown {
  const name = nameOf(reference)
  if (error instanceof UnavailableError && error.code === 'image.registry_unreachable')
    return new UnavailableError(error.code, `The registry of ${name} did not answer: ${error.message}`, { cause: error })
  if (!(error instanceof EngineRefusal)) return error
  if (UNREACHABLE.test(error.message))
    return new UnavailableError('image.registry_unreachable', `The registry of ${name} cannot be reached: ${reasonOfPull(error.message)}`, { cause: error })
  if (MISSING.test(error.message))
    return new NotFoundError(
      'image.not_found',
      `There is no image ${name}, or it may not be pulled: check the name and the tag (${reasonOfPull(error.message)})`,
      {
        cause: error,
      },
    )
  const stranger = /unauthorized|no basic auth/i.test(error.message)
  const advice = stranger ? ` ("lockgate registry set ${registryOf(reference)} --username NAME" says who we are there)` : ''
  return new RejectedError('image.pull_failed', `${name} could not be pulled: ${reasonOfPull(error.message)}${advice}`, { cause: error })
}
