import { isOfAnotherApp } from '../../../core/artifact/artifact.ts'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import { BASES, type BaseChoice, type BaseName } from '../../../core/build/build-plan.ts'
import { fullReference } from '../../../core/build/dockerfile.ts'
import { type Ask, goVersion, nodeVersion, phpVersion, pythonVersion, type Version } from '../../../core/build/versions.ts'
import { highestTrust, isTrustedFor, type Trust } from '../../../core/trust/trust.ts'
import type { EngineImage } from '../../runtime/types.ts'
import { engineName, type NamedImage } from './image-store.ts'
import type { Yard } from './yard.ts'

/** What a registry may take for its first word: longer where the build is lost without it. */
const ANSWER_MS = 20_000
const REFRESH_ANSWER_MS = 5_000
const DOCKER_HUB = 'docker.io/'

/** What a Dockerfile begins from, as it writes it, and for whom. */
export interface Wanted {
  readonly images: readonly string[]
  readonly trust: Trust
  readonly note: (line: string) => void
}

/** An image a Dockerfile begins from, as it was found. */
export interface FoundImage extends NamedImage {
  /** As the Dockerfile writes it. */
  readonly written: string
  /** Of a registry that knows us: not for every app, and for no change that is not trusted. */
  readonly isPrivate: boolean
}

/**
 * Finds the images a Dockerfile begins from: Lockgate's bases, else what their registry (a mirror of it first) has now, else what
 * the engine has. Never another image than the one that is named. Throws BuildFailure `base_unreachable`, `not_understood`.
 */
export async function findImages(yard: Yard, wanted: Wanted): Promise<FoundImage[]> {
  const found: FoundImage[] = []
  for (const written of wanted.images) {
    const level = await levelOf(yard, written)
    refuseHigher(written, level, wanted.trust)
    found.push({ written, isPrivate: level !== 'untrusted', ...(await find(yard, written, wanted)) })
  }
  return found
}

/** Throws BuildFailure `base_unreachable` for an image that is for a higher level than that of the build. */
export function refuseHigher(written: string, level: Trust, used: Trust): void {
  if (isTrustedFor(used, level)) return
  const why =
    used === 'untrusted'
      ? 'gives it to Lockgate and not to everybody, and this change is not trusted: a build of it does not get what others may not see'
      : `gives it to ${level} environments only, and this build is for one that is ${used}`
  throw new BuildFailure('base_unreachable', `The image ${written} is of a registry that ${why}`)
}

async function levelOf(yard: Yard, written: string): Promise<Trust> {
  const reference = fullReference(written)
  // Docker Hub's own images are everybody's, also where a mirror is signed in to.
  if (reference === null || reference.startsWith('docker.io/library/') || baseOf(reference)) return 'untrusted'
  const levels = await Promise.all(placesOf(reference, yard.registryMirrors).map((place) => yard.boxes.levelOf(place)))
  return highestTrust(levels)
}

async function find(yard: Yard, written: string, { note, trust }: Wanted): Promise<NamedImage> {
  const reference = fullReference(written)
  if (reference === null) throw new BuildFailure('not_understood', `The Dockerfile names an image "${written.slice(0, 200)}", which cannot be the name of one`)
  const base = baseOf(reference)
  const tried: string[] = []
  if (base) {
    const digest = await yard.boxes.findImage(await yard.bases.image(base, note))
    if (digest !== null) return named(reference, digest)
    tried.push('what Lockgate makes itself')
  }
  // What nobody pulled is meant as it is; a digest is the same wherever it comes from.
  const present = await yard.boxes.describeImage(written)
  if (present && (!present.isPulled || reference.includes('@'))) return named(reference, allowed(written, present, trust))
  for (const place of placesOf(reference, yard.registryMirrors)) {
    const why = await yard.boxes.pull(place, present ? REFRESH_ANSWER_MS : ANSWER_MS, place !== reference)
    const pulled = why === null ? await yard.boxes.describeImage(place) : null
    if (pulled) return named(reference, allowed(written, pulled, trust))
    tried.push(`${place} (${why ?? 'it is not there after the pull'})`)
  }
  if (present) {
    note(`Using ${written} as the engine has it: its registry does not give it now`)
    return named(reference, allowed(written, present, trust))
  }
  throw new BuildFailure('base_unreachable', unreachable(written, tried))
}

function unreachable(written: string, tried: readonly string[]): string {
  return (
    `The image ${written} that the Dockerfile begins from is nowhere to be had. Tried: ${tried.join('; ')}; the images of this engine. ` +
    'Check its name, load it into the engine ("docker load"), name a mirror in the settings (builder registryMirrors), or begin from one of ' +
    `Lockgate's own images: ${publicBases().join(', ')}`
  )
}

function publicBases(): string[] {
  return BASES.filter((name) => name !== 'image-build').map((name) => `lockgate/${name}`)
}

/** `lockgate/node:24`, `lockgate/base`: made here, in the version it names where there are several. */
function baseOf(reference: string): BaseChoice | null {
  const [, name, tag = 'latest'] = /^docker\.io\/lockgate\/([a-z-]+):([A-Za-z0-9.]+)$/.exec(reference) ?? []
  if (!isBase(name) || name === 'image-build') return null
  if (tag === 'latest') return { base: name, version: null }
  const version = VERSIONS[name.replace(/-(build|native)$/, '')]
  return version ? { base: name, version: version({ file: 'the Dockerfile', wants: tag }).version } : null
}

/** How a tag is read for a language. */
const VERSIONS: Readonly<Record<string, (ask: Ask) => Version>> = { node: nodeVersion, python: pythonVersion, php: phpVersion, go: goVersion }

function isBase(name: string | undefined): name is BaseName {
  return BASES.some((base) => base === name)
}

/** Mirrors first, as an engine asks them; they hold what Docker Hub holds. */
function placesOf(reference: string, mirrors: readonly string[]): string[] {
  if (!reference.startsWith(DOCKER_HUB)) return [reference]
  return [...mirrors.map((mirror) => `${mirror}/${reference.slice(DOCKER_HUB.length)}`), reference]
}

/** What apps are made of is theirs: their files are not to be had by naming their image. */
function allowed(written: string, image: EngineImage, trust: Trust): string {
  refuseHigher(written, image.level, trust)
  if (isOfAnotherApp(image.labels, null))
    throw new BuildFailure('base_unreachable', `The image ${written} is that of an app here, and no other image may begin from it: push a base to a registry`)
  return image.digest
}

/** A name with a digest is not one the store can have: its image is found by what it is. */
function named(reference: string, digest: string): NamedImage {
  return { name: reference.includes('@') ? engineName(digest) : reference, digest }
}
