import type { Readable } from 'node:stream'
import type { Limits } from '../../core/artifact/artifact.ts'
import type { ObservedInstance } from '../../core/instance/instance.ts'
import type { Trust } from '../../core/trust/trust.ts'

/** Everything a runtime needs to make one instance or one-off: typed, closed, made by us, nothing passed through (D7). */
export interface InstanceSpec {
  readonly name: string
  readonly kind: 'instance' | 'one-off'
  readonly projectId: string
  readonly environmentId: string
  readonly set: number
  readonly ordinal: number
  /** Idempotency key of the intent that makes it. */
  readonly key: string
  /** Config digest of the image. */
  readonly digest: string
  /** NAME@sha256:… in a registry, for when the engine has lost it; null: it is nowhere else. */
  readonly reference: string | null
  /** In place of the image's command; its entrypoint stays. null: what the image says. */
  readonly command: readonly string[] | null
  /** A file of the root folder (`putFile`) that is its standard input, by the `sh` of its image; null or left out: nothing is. */
  readonly inputFile?: string | null
  readonly env: Readonly<Record<string, string>>
  /** null for a one-off: the engine picks one. */
  readonly address: string | null
  readonly subnet: Subnet
  readonly limits: Limits
  /** null: what the image says, else SIGTERM. */
  readonly stopSignal: string | null
  readonly stopGraceMs: number
  /** Whether the engine starts it again when it crashes. */
  readonly keepAlive: boolean
}

/** The network of one environment: `10.210.3.64/26`, gateway its first address, instances from `.3` of the block on. */
export interface Subnet {
  readonly environmentId: string
  readonly projectId: string
  readonly cidr: string
  readonly gateway: string
}

/** What an image says about itself. */
export interface ImageFacts {
  /** Config digest, `sha256:...`. */
  readonly digest: string
  /** Ports of `EXPOSE`, TCP only. */
  readonly ports: readonly number[]
  /** Paths of `VOLUME`, also of the images it was made from. */
  readonly volumes: readonly string[]
  readonly sizeBytes: number
  readonly createdAt: number
}

/** Something of ours that takes disk: an image of this installation, a base of Lockgate's, a kept volume of builds. */
export interface Stored {
  readonly kind: 'image' | 'base' | 'cache'
  /** A tag, or a volume's name. */
  readonly name: string
  /** A config digest, or a volume's name. */
  readonly id: string
  /** What nothing else shares with it. */
  readonly bytes: number
  /** A container needs it. */
  readonly isUsed: boolean
  readonly createdAt: number
}

export interface LogLine {
  readonly stream: 'stdout' | 'stderr'
  readonly text: string
  /** Wall ms as the engine says. */
  readonly at: number
}

export interface Listening {
  readonly address: string
  readonly port: number
}

/**
 * A place where instances run. Verbs name instances and are idempotent: ensure twice is ensure once, remove of nothing is
 * fine. An unreachable system is UnavailableError `runtime.unreachable`; what it refuses is RejectedError `runtime.refused`.
 * Every call has a deadline of its own (default 30 s) beside the signal.
 */
export interface Runtime {
  /** Every instance and one-off of ours in one environment, or in all. A full listing: truth. */
  observe(environmentId?: string): Promise<ObservedInstance[]>
  /** Creates it, not started, with network when needed; changes `keepAlive` of an existing one; else leaves it as it is. */
  ensure(spec: InstanceSpec): Promise<void>
  /** Throws RejectedError `runtime.address_taken` when something that is not ours has its address. */
  start(name: string): Promise<void>
  /** Puts a file into the root folder of one that was created, for its programs to read. */
  putFile(name: string, file: { readonly name: string; readonly bytes: Uint8Array }): Promise<void>
  /** Signal, grace, kill, as its spec said. Resolves when it has exited. */
  stop(name: string): Promise<void>
  remove(name: string): Promise<void>
  removeNetwork(environmentId: string): Promise<void>
  /** Addresses of a subnet that something has which is none of these instances: a container that runs in that network, or an interface of the machine. */
  takenAddresses(subnet: Subnet, known: ReadonlySet<string>): Promise<readonly string[]>
  /**
   * Resolves NAME:TAG, NAME@sha256:… or a config digest, pulling when the engine does not have it; nothing that only begins like an id
   * is one. `forApp`: a person named it for an environment of this app; RejectedError `image.of_another_app` for one that was built for
   * another, PolicyError `image.not_trusted` for one of a registry whose credential is for higher levels.
   */
  resolveImage(reference: string, forApp?: { readonly id: string; readonly trust: Trust }): Promise<ImageFacts>
  /** Pushes an image to a registry under NAME:TAG; gives NAME@sha256:…. Throws RejectedError `image.push_failed`. */
  shareImage(digest: string, reference: string): Promise<string>
  /** What of ours takes disk there. */
  stored(): Promise<Stored[]>
  /** Bytes that each running instance has written into itself, by its name. It reads the disk: not for every pass. */
  writtenBytes(): Promise<ReadonlyMap<string, number>>
  /** Free bytes where containers and images are kept; null: that cannot be seen from here. */
  freeBytes(): Promise<number | null>
  /** Removes an image by config digest, or a base by its tag, if nothing uses it; true when it is gone. */
  removeImage(digest: string): Promise<boolean>
  /** Lines since a wall time; ends with the instance when it has exited, or with the signal. */
  logs(name: string, options: { readonly sinceMs: number; readonly follow: boolean; readonly signal: AbortSignal }): AsyncIterable<LogLine>
  /** Runs a command inside for a probe; gives its exit status. Not for people. */
  exec(name: string, command: readonly string[], timeoutMs: number): Promise<{ readonly status: number; readonly output: string }>
  /** TCP sockets on which it listens, for hints; null when that cannot be seen. */
  listening(name: string): Promise<Listening[] | null>
  /** Hints that something changed, as instance names; polling stays the truth. */
  watch(signal: AbortSignal): AsyncIterable<string>
  info(): Promise<RuntimeInfo>
}

export interface RuntimeInfo {
  readonly name: string
  readonly version: string
  /** For doctor: name, whether it is fine, a sentence with what to do. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly sentence: string }[]
}

/** What one runtime driver opens: a place for instances, and boxes for builds where the same system can give them. */
export interface RuntimeParts {
  readonly runtime: Runtime
  /** null: builds are not possible here. */
  readonly boxes: Boxes | null
}

/** A container for one piece of work: never a port, never the engine's socket inside, no capability but what `nested` says. */
export interface BoxSpec {
  readonly name: string
  /** What it belongs to, e.g. a build id: `removeAll` finds it again after a crash of the server. */
  readonly owner: string
  /** Config digest or tag of an image that is there. */
  readonly image: string
  readonly command: readonly string[]
  /** `700000:700000`; boxes that are only filled and committed leave it out. Volumes belong to it. */
  readonly user?: string
  readonly workdir?: string
  readonly env?: Readonly<Record<string, string>>
  readonly limits: Limits
  /**
   * none: no network at all. filtered: the network of builds, where boxes reach neither each other nor private networks; refused
   * with RejectedError `box.unfiltered` where that cannot be had. open: the same, but without the filter where it cannot be had.
   */
  readonly network: 'none' | 'filtered' | 'open'
  /** Folders in memory, by path, in MB; they count as memory. */
  readonly tmpfs?: Readonly<Record<string, number>>
  /** Volumes by path. */
  readonly volumes?: Readonly<Record<string, BoxVolume>>
  /** It may make user namespaces and mount in them, as a builder of images does; it keeps SETUID and SETGID for that. */
  readonly nested?: boolean
  /** It is given `input` when it runs. */
  readonly readsInput?: boolean
}

/** A volume of ours in a box: made when it is not there, for the user of the box. */
export interface BoxVolume {
  readonly name: string
  /** Most it may hold; files are limited with it. Kept by all machines that `gaps` does not name. */
  readonly sizeMb: number
  /**
   * false: it goes with its box's owner. true: it stays for the next box until `removeVolume`, or until it is found damaged, of
   * another size, of another user or more than 70 % full when a box wants it that no other uses.
   */
  readonly keep: boolean
  readonly readOnly?: boolean
}

/** How full a volume was when a box last ended. */
export interface VolumeUse {
  readonly totalBytes: number
  readonly usedBytes: number
  readonly totalFiles: number
  readonly usedFiles: number
}

/** What boxes lack on this machine, as the reason; null: they have it. */
export interface BoxGaps {
  /** Volumes with a size. */
  readonly disk: string | null
  /** The filter of the network of builds. */
  readonly network: string | null
}

/** How a box ended. `oomKilled` is also set when only a child of its first process was killed. */
export interface BoxEnd {
  readonly status: number
  readonly oomKilled: boolean
}

/** What an image of the engine says of itself. */
export interface EngineImage {
  /** Config digest. */
  readonly digest: string
  readonly labels: Readonly<Record<string, string>>
  /** Of `EXPOSE`, TCP only. */
  readonly ports: readonly number[]
  /** Paths of `VOLUME`, also of the images it was made from. */
  readonly volumes: readonly string[]
  /** The least level that may use it, by the registries that gave it. */
  readonly level: Trust
  /** A registry gave it, and may have another of its name by now. */
  readonly isPulled: boolean
}

/** What an image made from a box says; what is left out stays as the box's image says. */
export interface ImageConfig {
  /** NAME:TAG, so that nobody's clean-up takes it for a leftover. */
  readonly tag: string
  readonly command?: readonly string[]
  readonly workdir?: string
  readonly user?: string
  readonly env?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
}

/**
 * Limited boxes and the images made from them: what builders need of an engine. Everything carries the labels of the
 * installation. Errors are those of Runtime; deadlines too, except where a signal is asked for.
 */
export interface Boxes {
  /** Config digest of an image of the engine by tag or digest; null when it is not there. Never pulls. */
  findImage(reference: string): Promise<string | null>
  /** The same with what it says; null when it is not there. */
  describeImage(reference: string): Promise<EngineImage | null>
  /** Creates it, not started. A box of this name that is there already is replaced. Gives the names of its volumes that are new. */
  create(spec: BoxSpec): Promise<readonly string[]>
  /** Unpacks a tar stream to a folder of the box that exists. The engine knows no limit: bound the stream. */
  put(box: string, folder: string, tar: Readable): Promise<void>
  /**
   * Starts it; `line` gets each line of its output (cut at 16 KiB). Resolves at its end; an aborted signal kills it first.
   * `input` goes to its standard input, which stays open: say in it where it ends.
   */
  run(box: string, options: { readonly line: (text: string) => void; readonly signal: AbortSignal; readonly input?: Uint8Array }): Promise<BoxEnd>
  /** A tar stream of a file or folder of the box; NotFoundError `box.path_not_found`. */
  get(box: string, path: string): Promise<Readable>
  /** Makes an image of a box; gives its config digest. */
  commit(box: string, config: ImageConfig): Promise<string>
  /** Makes an image from a tar stream of a root file system; gives its config digest. */
  importImage(rootfs: Readable, config: ImageConfig): Promise<string>
  /** An image as a docker-archive. */
  saveImage(image: string): Promise<Readable>
  /** Takes a docker-archive into the engine. Every name in it becomes an image's name: bound it before. */
  loadImage(archive: Readable): Promise<void>
  /** All labels an image of ours has to carry, for who makes one elsewhere. */
  imageLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>>
  /** Kills and removes one box. */
  remove(box: string): Promise<void>
  /** Kills and removes every box of an owner, and its volumes that are not kept. */
  removeAll(owner: string): Promise<void>
  /** Removes a volume of ours; of nothing is fine. RejectedError `runtime.refused` while a box uses it. */
  removeVolume(name: string): Promise<void>
  /** How full a volume was when a box last ended; null where volumes have no size. */
  volumeUse(name: string): Promise<VolumeUse | null>
  /** What is missing here: tried by doing. */
  gaps(): Promise<BoxGaps>
  /**
   * Pulls a tag; null when it is there now, else why not: the registry does not have it, has not answered within `answerMs`, or is in
   * an inner network. `isOurs`: the settings name it, so that it may be anywhere.
   */
  pull(reference: string, answerMs: number, isOurs?: boolean): Promise<string | null>
  /** The least level of trust that an image of this name is for: what a registry gives to whom it knows it may not give to everybody. */
  levelOf(reference: string): Promise<Trust>
  /** Another name for an image. */
  tag(image: string, reference: string): Promise<void>
  /** Pushes a tag to its registry. */
  push(reference: string): Promise<void>
  /** Free bytes where the engine keeps its data and we the files of volumes; null when that cannot be seen. */
  freeBytes(): Promise<number | null>
}
