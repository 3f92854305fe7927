import { isOfAnotherApp } from '../../../core/artifact/artifact.ts'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import { BASES, type BaseChoice, type BaseName } from '../../../core/build/build-plan.ts'
import { fullReference } from '../../../core/build/dockerfile.ts'
import { type Ask, goVersion, nodeVersion, phpVersion, pythonVersion, type Version } from '../../../core/build/versions.ts'
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
  readonly isTrusted: boolean
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
    const isPrivate = await isGivenToUs(yard, written)
    if (isPrivate && !wanted.isTrusted)
      throw new BuildFailure(
        'base_unreachable',
        `The image ${written} is of a registry that gives it to Lockgate and not to everybody, and this change is not trusted: a build of it does not get what others may not see`,
      )
    found.push({ written, isPrivate, ...(await find(yard, written, wanted.note)) })
  }
  return found
}

async function isGivenToUs(yard: Yard, written: string): Promise<boolean> {
  const reference = fullReference(written)
  // Docker Hub's own images are everybody's, also for who signs in to be given more of them.
  if (reference === null || reference.startsWith('docker.io/library/') || baseOf(reference)) return false
  const known = await Promise.all(placesOf(reference, yard.registryMirrors).map((place) => yard.boxes.isSignedIn(place)))
  return known.includes(true)
}

async function find(yard: Yard, written: string, note: (line: string) => void): Promise<NamedImage> {
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
  if (present && (!present.isPulled || reference.includes('@'))) return named(reference, allowed(written, present))
  for (const place of placesOf(reference, yard.registryMirrors)) {
    const why = await yard.boxes.pull(place, present ? REFRESH_ANSWER_MS : ANSWER_MS, place !== reference)
    const pulled = why === null ? await yard.boxes.describeImage(place) : null
    if (pulled) return named(reference, allowed(written, pulled))
    tried.push(`${place} (${why ?? 'it is not there after the pull'})`)
  }
  if (present) {
    note(`Using ${written} as the engine has it: its registry does not give it now`)
    return named(reference, allowed(written, present))
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
function allowed(written: string, image: EngineImage): string {
  if (isOfAnotherApp(image.labels, null))
    throw new BuildFailure('base_unreachable', `The image ${written} is that of an app here, and no other image may begin from it: push a base to a registry`)
  return image.digest
}

/** A name with a digest is not one the store can have: its image is found by what it is. */
function named(reference: string, digest: string): NamedImage {
  return { name: reference.includes('@') ? engineName(digest) : reference, digest }
}
