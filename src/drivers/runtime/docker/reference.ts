// Names of images, as people write them and as the engine wants them.
import { InvalidError } from '../../../lib/errors.ts'

/** A reference as people write it, and as the engine's pull call wants it. */
export interface Reference {
  /** With the registry that is meant. */
  readonly full: string
  readonly name: string
  /** A tag, or a manifest digest. */
  readonly tag: string
  readonly impliesDockerHub: boolean
}

/** Parses NAME, NAME:TAG or NAME@sha256:… (distribution's reference grammar, in short). Throws InvalidError `image.invalid_reference`. */
export function parseReference(text: string): Reference {
  const [, name = '', tag, digest] = /^([a-zA-Z0-9][a-zA-Z0-9.:_/-]*?)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? []
  const first = name.split('/')[0] ?? ''
  const hasRegistry = name.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost')
  const path = hasRegistry ? name.slice(first.length + 1) : name
  if (text.length > 500 || !/^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/.test(path))
    throw new InvalidError(
      'image.invalid_reference',
      `"${text.slice(0, 200)}" does not name an image: write NAME:TAG, NAME@sha256:… or a config digest sha256:…`,
    )
  const full = hasRegistry ? name : path.includes('/') ? `docker.io/${path}` : `docker.io/library/${path}`
  const version = digest ?? tag ?? 'latest'
  return { full: `${full}${digest ? '@' : ':'}${version}`, name, tag: version, impliesDockerHub: !hasRegistry }
}

/** With the registry that is meant; null: text that names no image. */
export function fullName(text: string): string | null {
  try {
    return parseReference(text).full
  } catch (error) {
    if (error instanceof InvalidError) return null
    throw error
  }
}

/** `registry.example.net`, `127.0.0.1:5000`; `docker.io` where none is named. */
export function registryOf(reference: Reference): string {
  return reference.full.split('/')[0] ?? ''
}
