import type { Readable } from 'node:stream'
import type { AppName } from '../app/app.ts'
import type { CodeSource } from '../source/source.ts'

/** Which commit of an app's repository, and the folder of it the app lives in ('' is all of it). */
export interface Place {
  readonly app: AppName
  readonly commitId: string
  readonly root: string
}

/** What a build sees of a commit. */
export interface Tree {
  /** The git tree below the root: equal trees are equal files. */
  readonly id: string
  /** Paths of all files, sorted; those of submodules among them. */
  readonly files: readonly string[]
  /** Text of one file, or null; at most 1 MiB. Throws InvalidError `source.file_too_large`. */
  read(path: string): Promise<string | null>
  /** The files as a tar stream, anew at each call. */
  tar(): NodeJS.ReadableStream
}

/** Where an app's commits are kept: what a build asks of the git server. */
export interface Source {
  /** Full ref and commit for a branch, tag or commit id. Throws NotFoundError `ref.not_found`, InvalidError `ref.invalid`. */
  resolve(app: AppName, ref: string): Promise<{ readonly ref: string; readonly commitId: string }>
  /**
   * The files of a commit, with its submodules fetched. Throws NotFoundError `source.no_root`, RejectedError
   * `source.lfs_not_there`, `source.submodule_refused`, UnavailableError of what a fetch throws.
   */
  open(place: Place): Promise<Tree>
  /** The git tree of a place, without looking at what is in it. Throws NotFoundError `source.no_root`. */
  treeOf(place: Place): Promise<string>
  /** Text of `lockgate.yaml` or another small file of a place, or null. */
  read(place: Place, path: string): Promise<string | null>
  /** Paths that differ between two commits; null when the older one is not there (any more). */
  changed(app: AppName, from: string, to: string): Promise<string[] | null>
  /**
   * Keeps a gzipped tar of a folder as a commit; gives its ref and commit. Throws InvalidError `archive.refused`,
   * `upload.empty`.
   */
  upload(app: AppName, archive: Readable, by: { readonly author: string; readonly at: number }): Promise<{ readonly ref: string; readonly commitId: string }>
  /** Branches and tags of another git server with their commits, as they are now. Throws RejectedError and UnavailableError `source.*`. */
  look(source: CodeSource): Promise<Readonly<Record<string, string>>>
  /** Brings commits of another git server's refs into the app's repository; their names there stay as they are. */
  fetch(app: AppName, source: CodeSource, refs: readonly string[]): Promise<void>
  /** The ssh host keys a server shows now, as lines of known_hosts(5). Throws UnavailableError `source.no_host_key`. */
  hostKeys(url: string): Promise<string>
  /** A fresh key pair for a code host: what is sealed, and what is shown. */
  makeKey(comment: string): Promise<{ readonly privateKey: string; readonly publicKey: string }>
  /**
   * Forgets uploads, pushes and fetched refs of other commits, if these are older than a day, and what only they held. Which
   * commits stay is asked when the refs are known: what comes in between is not among them.
   */
  keepOnly(app: AppName, commits: () => Promise<ReadonlySet<string>>): Promise<void>
  /** Points a ref at a commit; null removes it. */
  setRef(app: AppName, ref: string, commitId: string | null): Promise<void>
  /** Forgets everything of an app. */
  remove(app: AppName): Promise<void>
}
