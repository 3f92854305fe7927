import { RejectedError } from '../../../lib/errors.ts'
import { randomWord } from '../../../lib/ids.ts'
import { tarStream } from '../../../lib/tar.ts'
import type { Boxes, BoxVolume } from '../../runtime/types.ts'
import { IMAGE_BUILD_ENV, IMAGES_FOLDER } from '../bases/image-build-files.ts'
import { APP_USER } from '../bases/recipe.ts'
import { cancelled } from './cancelled.ts'

/** An image of the engine, and the name a Dockerfile finds it by. */
export interface NamedImage {
  /** In full: `docker.io/library/node:24`; a pinned one has the name of its digest. */
  readonly name: string
  /** Config digest. */
  readonly digest: string
}

const LIMITS = { cpus: 2, memoryMb: 1024, processes: 128 }
const IMPORT_MS = 10 * 60_000
/** The first argument of the programs is the folder of the store. */
const BUILDAH = 'buildah --root "$root" --runroot /tmp/rr --storage-driver overlay'

/** Says for each pair of digest and name whether the image is there, and gives those that are their names. */
const NAME_PROGRAM = `root=$1
shift
mkdir -p /tmp/home /tmp/xdg
while [ $# -gt 1 ]; do
  if ${BUILDAH} tag "localhost/engine:$1" "$2" 2>/dev/null; then echo "has $1"; fi
  shift 2
done
`

/** Brings in the docker-archive that was unpacked in the second argument's folder `import`; its digest is the third. */
const IMPORT_PROGRAM = `root=$1 folder=$2
mkdir -p /tmp/home /tmp/xdg $folder/tmp
tar -cf $folder/tmp/image.tar -C $folder/import . && rm -rf $folder/import
id=$(TMPDIR=$folder/tmp ${BUILDAH} pull -q docker-archive:$folder/tmp/image.tar) && ${BUILDAH} tag "$id" "localhost/engine:$3"
status=$?
rm -rf $folder/tmp
exit $status
`

/** How an image of a digest is called in the store. */
export function engineName(digest: string): string {
  return `localhost/engine:${digest.replace('sha256:', '')}`
}

/** Where a store of images is. */
export interface StorePlace {
  readonly volume: BoxVolume
  readonly mount: string
  readonly root: string
}

/** Who wants images, and the image of the box that brings them in. */
export interface StoreUser {
  readonly image: string
  readonly buildId: string
  readonly signal: AbortSignal
}

/** The store that all builds read. */
export function sharedStore(installation: string, sizeMb: number): StorePlace {
  return { volume: { name: `lockgate-${installation}-images`, sizeMb, keep: true }, mount: IMAGES_FOLDER, root: IMAGES_FOLDER }
}

/**
 * Images of the engine that Dockerfiles begin from, in a volume that all boxes of builds read: no build sees the engine, and none
 * writes here. Brought in one at a time, each once.
 */
export class ImageStore {
  readonly #boxes: Boxes
  readonly #place: StorePlace
  /** What stands in the volume, by name; unknown after a start. */
  #names = new Map<string, string>()
  #last: Promise<unknown> = Promise.resolve()

  /** `place`: the volume, where boxes have it, and the folder of the store in it. */
  constructor(boxes: Boxes, place: StorePlace) {
    this.#boxes = boxes
    this.#place = place
  }

  /** The volume as a build sees it. */
  get volume(): BoxVolume {
    return { ...this.#place.volume, readOnly: true }
  }

  /** The volume was found new and empty. */
  forget(): void {
    this.#names = new Map()
  }

  /** Has the images in the volume under their names. Its boxes end with those of the build that wants it. */
  ensure(by: StoreUser, wanted: readonly NamedImage[]): Promise<void> {
    const work = this.#last.catch(() => undefined).then(() => this.#ensure(by, wanted))
    this.#last = work
    return work
  }

  async #ensure(by: StoreUser, wanted: readonly NamedImage[]): Promise<void> {
    let missing = await this.#name(by, wanted)
    if (missing.length === 0) return
    for (const digest of new Set(missing.map((one) => one.digest))) await this.#bring(by, digest)
    missing = await this.#name(by, missing)
    if (missing[0]) throw new RejectedError('image.import_failed', `${missing[0].name} could not be brought into the images of builds`)
  }

  /** Gives names to what is there; returns the rest. */
  async #name(by: StoreUser, wanted: readonly NamedImage[]): Promise<NamedImage[]> {
    const unknown = wanted.filter(({ name, digest }) => this.#names.get(name) !== digest)
    if (unknown.length === 0) return []
    const there = new Set<string>()
    const program = ['sh', '-c', NAME_PROGRAM, 'name', this.#place.root, ...unknown.flatMap(({ name, digest }) => [digest.replace('sha256:', ''), name])]
    await this.#box(by, program, async (box) => {
      await this.#boxes.run(box, {
        line: (text) => void there.add(text.replace('has ', 'sha256:')),
        signal: AbortSignal.any([by.signal, AbortSignal.timeout(IMPORT_MS)]),
      })
    })
    for (const { name, digest } of unknown) if (there.has(digest)) this.#names.set(name, digest)
    return unknown.filter(({ digest }) => !there.has(digest))
  }

  async #bring(by: StoreUser, digest: string): Promise<void> {
    const lines: string[] = []
    await this.#box(by, ['sh', '-c', IMPORT_PROGRAM, 'import', this.#place.root, this.#place.mount, digest.replace('sha256:', '')], async (box) => {
      const folder = { uid: APP_USER, gid: APP_USER, uname: '', gname: '', pax: { uid: String(APP_USER), gid: String(APP_USER) } }
      const empty = tarStream(async (tar) => void tar.entry({ name: 'import', type: 'directory', mode: 0o777, ...folder }))
      await this.#boxes.put(box, this.#place.mount, empty)
      await this.#boxes.put(box, `${this.#place.mount}/import`, await this.#boxes.saveImage(digest))
      const { status } = await this.#boxes.run(box, {
        line: (text) => void lines.push(text),
        signal: AbortSignal.any([by.signal, AbortSignal.timeout(IMPORT_MS)]),
      })
      if (status === 0) return
      // A store that is full or damaged is begun anew the next time.
      await this.#boxes.remove(box)
      throw new RejectedError('image.import_failed', `An image could not be brought into the images of builds: ${lines.slice(-3).join(' ')}`)
    })
  }

  async #box(by: StoreUser, command: readonly string[], work: (box: string) => Promise<void>): Promise<void> {
    const name = `${this.#place.volume.name}-${randomWord(6)}`
    // Whoever was cancelled meanwhile wants nothing any more.
    if (by.signal.aborted) throw cancelled()
    try {
      const fresh = await this.#boxes.create({
        name,
        owner: by.buildId,
        image: by.image,
        command,
        user: `${APP_USER}:${APP_USER}`,
        env: IMAGE_BUILD_ENV,
        limits: LIMITS,
        network: 'none',
        tmpfs: { '/tmp': 64, '/var/tmp': 16 },
        volumes: { [this.#place.mount]: this.#place.volume },
        nested: true,
      })
      if (fresh.length > 0) this.forget()
      if (by.signal.aborted) throw cancelled()
      await work(name)
    } finally {
      await this.#boxes.removeAll(by.buildId)
    }
  }
}
