// Images made from boxes and around them.
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { PlatformError, RejectedError } from '../../../lib/errors.ts'
import type { EngineImage, ImageConfig } from '../types.ts'
import { EngineRefusal } from './client.ts'
import type { Place } from './containers.ts'
import { levelOfImage } from './image-level.ts'
import { factsOf, findImage, followProgress, pullImage } from './images.ts'
import { LABEL } from './labels.ts'
import { parseReference, registryOf } from './reference.ts'
import { refuseInnerRegistry } from './registry-guard.ts'

/** How long bytes may go to or come from the engine. */
export const TRANSFER_MS = 10 * 60_000

const Made = z.object({ Id: z.string() })

/** Makes an image of a box; gives its config digest. */
export async function commitBox(place: Place, id: string, config: ImageConfig): Promise<string> {
  const { name, tag } = parseReference(config.tag)
  const body = {
    ...(config.command === undefined ? {} : { Cmd: config.command, Entrypoint: [] }),
    ...(config.workdir === undefined ? {} : { WorkingDir: config.workdir }),
    ...(config.user === undefined ? {} : { User: config.user }),
    Env: envList(config.env),
    Labels: imageLabels(place.installation, config.labels),
  }
  const query = { container: id, repo: name, tag, pause: 'false' }
  const { Id } = await place.client.json(Made, { method: 'POST', path: '/commit', query, body, timeoutMs: TRANSFER_MS })
  return Id
}

/** Makes an image from a tar stream of a root file system; gives its config digest. */
export async function importRootfs(place: Place, rootfs: Readable, config: ImageConfig): Promise<string> {
  const { name, tag } = parseReference(config.tag)
  const changes = [
    ...(config.command === undefined ? [] : [`CMD ${JSON.stringify(config.command)}`]),
    ...(config.workdir === undefined ? [] : [`WORKDIR ${config.workdir}`]),
    ...(config.user === undefined ? [] : [`USER ${config.user}`]),
    ...Object.entries(config.env ?? {}).map(([key, value]) => `ENV ${key}=${JSON.stringify(value)}`),
    ...Object.entries(imageLabels(place.installation, config.labels)).map(([key, value]) => `LABEL ${key}=${JSON.stringify(value)}`),
  ]
  const call = { method: 'POST', path: '/images/create', query: { fromSrc: '-', repo: name, tag, changes }, tar: rootfs, timeoutMs: TRANSFER_MS } as const
  await followProgress(place.client, call, { answerMs: TRANSFER_MS, allMs: TRANSFER_MS })
  const image = await findImage(place.client, config.tag)
  if (!image) throw new RejectedError('runtime.refused', `The engine imported ${config.tag} but does not have it`)
  return image.Id
}

/**
 * A container inherits the labels of its image, and an image those of the box it was made of: they are emptied, so that a
 * container somebody starts by hand from an image of ours is never taken for one of ours.
 */
export function imageLabels(installation: string, labels: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return { [LABEL.installation]: '', [LABEL.kind]: '', [LABEL.owner]: '', [LABEL.image]: installation, ...labels }
}

/** Why it was not pulled, or null. */
export async function pulls(place: Place, text: string, how: { readonly answerMs: number; readonly isOurs: boolean }): Promise<string | null> {
  try {
    const reference = parseReference(text)
    if (!how.isOurs) await refuseInnerRegistry(place, registryOf(reference))
    await pullImage(place, reference, how.answerMs)
    return null
  } catch (error) {
    if (error instanceof PlatformError && (error.code.startsWith('image.') || error.code === 'runtime.unreachable')) return error.message
    throw error
  }
}

/** What an image says of itself, or null. */
export async function describeImage(place: Place, reference: string): Promise<EngineImage | null> {
  const image = await findImage(place.client, reference)
  if (!image) return null
  const { ports, volumes } = factsOf(image)
  return {
    digest: image.Id,
    labels: image.Config?.Labels ?? {},
    ports,
    volumes,
    level: await levelOfImage(place, image),
    isPulled: image.RepoDigests.length > 0,
  }
}

/** Takes a docker-archive into the engine. */
export async function loadImage(place: Place, archive: Readable): Promise<void> {
  const call = { method: 'POST', path: '/images/load', query: { quiet: 'true' }, tar: archive, timeoutMs: TRANSFER_MS } as const
  await followProgress(place.client, call, { answerMs: TRANSFER_MS, allMs: TRANSFER_MS })
}

/** Pushes a tag to its registry; gives NAME@sha256:…. Throws RejectedError `image.push_failed`. */
export async function pushImage(place: Place, text: string): Promise<string> {
  const reference = parseReference(text)
  const { name, tag } = reference
  const registry = (await place.registryCredential(registryOf(reference))) ?? {}
  try {
    const { digest } = await followProgress(
      place.client,
      { method: 'POST', path: `/images/${encodeURI(name)}/push`, query: { tag }, registry, timeoutMs: TRANSFER_MS },
      { answerMs: 60_000, allMs: TRANSFER_MS },
    )
    if (digest === null) throw new EngineRefusal(500, 'the engine named no digest of what it pushed')
    return `${name}@${digest}`
  } catch (error) {
    if (error instanceof EngineRefusal) throw new RejectedError('image.push_failed', `${text} could not be pushed: ${error.message}`, { cause: error })
    throw error
  }
}

/** `NAME=value`, as the engine wants it. */
export function envList(env: Readonly<Record<string, string>> | undefined): string[] {
  return Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)
}
