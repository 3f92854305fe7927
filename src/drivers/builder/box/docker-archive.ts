import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream'
import { extract, type Header, type Pack } from 'tar-stream'
import { z } from 'zod'
import { InvalidError, messageOf } from '../../../lib/errors.ts'
import { addEntry, type Bytes, tarStream } from '../../../lib/tar.ts'
import { TarGuard } from '../../../lib/tar-guard.ts'

const MEGABYTE = 1024 * 1024
const MOST_LAYERS = 500

const Manifest = z.array(z.object({ Config: z.string(), Layers: z.array(z.string()) })).length(1)
const Config = z.object({
  config: z
    .object({ Labels: z.record(z.string(), z.string()).nullish(), Cmd: z.array(z.string()).nullish(), Entrypoint: z.array(z.string()).nullish() })
    .optional(),
})

export interface ArchiveOptions {
  /** The one name the image gets. */
  readonly tag: string
  /** Labels it must carry: by them others know whose it is. */
  readonly labels: Readonly<Record<string, string>>
  readonly maxBytes: number
  /** Told what the image runs. */
  readonly runs: (command: readonly string[]) => void
}

/**
 * A docker-archive made anew from one that a build left, whose box may have written anything there: one image with one name and
 * our labels, layers that are plain tars. The engine takes every name in an archive, and unpacks what is packed without a limit.
 * The stream ends with InvalidError `archive.refused`.
 */
export function passImage(source: Readable, options: ArchiveOptions): Readable {
  return tarStream((tar) => new Passing(tar, options).run(source))
}

class Passing {
  readonly #tar: Pack
  readonly #options: ArchiveOptions
  readonly #files = new Set<string>()
  readonly #configs = new Map<string, string>()
  #left: number

  constructor(tar: Pack, options: ArchiveOptions) {
    this.#tar = tar
    this.#options = options
    this.#left = options.maxBytes
  }

  async run(source: Readable): Promise<void> {
    const entries = extract()
    const fed: { failure: unknown } = { failure: null }
    // Whoever reads sees the error; one that comes when nobody reads any more must not end the process.
    for (const stream of [source, entries]) stream.on('error', () => undefined)
    pipeline(source, entries, (error) => {
      fed.failure = error ?? null
    })
    let manifest = ''
    try {
      for await (const entry of entries) {
        if (entry.header.name === 'manifest.json' && entry.header.type === 'file') manifest = await textOf(entry)
        else await this.#add(entry.header, entry)
        entry.resume()
      }
    } catch (error) {
      source.destroy()
      throw error instanceof InvalidError ? error : refuse(`cannot be read: ${messageOf(error)}`)
    }
    if (fed.failure) throw refuse(`cannot be read: ${messageOf(fed.failure)}`)
    this.#finish(manifest)
  }

  /** Layers and configurations; names and links of older engines are not needed by any. */
  async #add(header: Header, bytes: Bytes): Promise<void> {
    const { name, type } = header
    if (type !== 'file' || !/^[0-9a-f]{64}\.(tar|json)$/.test(name)) return
    if (this.#files.has(name) || this.#files.size >= MOST_LAYERS) throw refuse('has a file twice, or too many of them')
    this.#files.add(name)
    if (name.endsWith('.json')) {
      const text = await textOf(bytes)
      this.#configs.set(name, text)
      return void this.#tar.entry({ name }, text)
    }
    const size = header.size ?? 0
    this.#left -= size
    if (this.#left < 0) throw refuse(`is larger than ${Math.round(this.#options.maxBytes / MEGABYTE)} MB`)
    const guard = new LayerGuard()
    const inside = new TarGuard(this.#options.maxBytes)
    for (const stream of [guard, inside]) stream.on('error', () => undefined)
    pipeline(bytes as AsyncIterable<Uint8Array>, guard, inside, () => undefined)
    await addEntry(this.#tar, { name, size }, inside)
  }

  #finish(text: string): void {
    const manifest = Manifest.safeParse(parse(text))
    const image = manifest.success ? manifest.data[0] : undefined
    const config = Config.safeParse(parse(this.#configs.get(image?.Config ?? '') ?? ''))
    if (!image || !config.success) throw refuse('does not say which image it is')
    if (image.Layers.some((name) => !this.#files.has(name))) throw refuse('lacks a layer')
    const { Labels, Cmd, Entrypoint } = config.data.config ?? {}
    for (const [name, value] of Object.entries(this.#options.labels))
      if (Labels?.[name] !== value) throw refuse(`does not carry the label ${name} it was built with`)
    this.#options.runs([...(Entrypoint ?? []), ...(Cmd ?? [])])
    this.#tar.entry({ name: 'manifest.json' }, JSON.stringify([{ Config: image.Config, RepoTags: [this.#options.tag], Layers: image.Layers }]))
  }
}

const MAGIC_AT = 257

/** A layer begins as a tar does: nothing packed, which would be unpacked where nothing counts. */
class LayerGuard extends Transform {
  #begin: Buffer | null = Buffer.alloc(0)

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    if (this.#begin === null) return done(null, chunk)
    const begin = Buffer.concat([this.#begin, chunk])
    this.#begin = begin
    if (begin.length < MAGIC_AT + 5) return done()
    this.#begin = null
    const isTar = begin.subarray(MAGIC_AT, MAGIC_AT + 5).toString('latin1') === 'ustar' || begin.subarray(0, MAGIC_AT).every((byte) => byte === 0)
    if (isTar) done(null, begin)
    else done(refuse('has a layer that is no tar'))
  }

  override _flush(done: TransformCallback): void {
    if (this.#begin === null || this.#begin.length === 0) done()
    else done(refuse('has a layer that is no tar'))
  }
}

async function textOf(bytes: Bytes): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bytes) {
    chunks.push(chunk as Uint8Array)
    size += (chunk as Uint8Array).length
    if (size > 4 * MEGABYTE) throw refuse('has a description of more than 4 MB')
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function refuse(what: string): InvalidError {
  return new InvalidError('archive.refused', `The image archive ${what}`)
}
