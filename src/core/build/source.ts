import type { AppName } from '../app/app.ts'

/** Where an app's commits are kept: what a build asks of the git server. */
export interface Source {
  /** Full ref and commit for a branch, tag or commit id. Throws NotFoundError `ref.not_found`, InvalidError `ref.invalid`. */
  resolve(app: AppName, ref: string): Promise<{ readonly ref: string; readonly commitId: string }>
  /** Paths of all files of a commit, sorted. */
  files(app: AppName, commitId: string): Promise<string[]>
  /** Text of one file, or null; at most 1 MiB. */
  read(app: AppName, commitId: string, path: string): Promise<string | null>
  /** The commit's files as a tar stream. */
  tar(app: AppName, commitId: string): NodeJS.ReadableStream
  /** Points a ref at a commit; null removes it. */
  setRef(app: AppName, ref: string, commitId: string | null): Promise<void>
  /** Forgets everything of an app. */
  remove(app: AppName): Promise<void>
}
