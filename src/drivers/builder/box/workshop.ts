import type { Readable } from 'node:stream'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import { pause } from '../../../lib/clock.ts'
import { codeOf, InvalidError, messageOf } from '../../../lib/errors.ts'
import { ownedBy, tarStream } from '../../../lib/tar.ts'
import type { BoxEnd, Boxes } from '../../runtime/types.ts'
import type { Bases } from '../bases/index.ts'
import { APP_USER, type BaseName } from '../bases/recipe.ts'
import type { BuildRequest } from '../types.ts'
import { CA_ENV, CA_PATH } from './host-settings.ts'
import { LogBudget } from './log-budget.ts'
import { MAX_ENTRIES, type RepackOptions, repack } from './unpack.ts'

/** What all builds of this server share. */
export interface Yard {
  readonly boxes: Boxes
  readonly bases: Bases
  readonly installation: string
  readonly env: Readonly<Record<string, string>>
  readonly caBundle: string | null
  readonly freeDiskMb: number
  /** Most an app may be, unpacked. */
  readonly appMb: number
}

export interface AppImage {
  readonly base: BaseName
  readonly files: Readable
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const USER = `${APP_USER}:${APP_USER}`
// Boxes that are only filled and committed never run anything.
const FILL_LIMITS = { cpus: 1, memoryMb: 256, processes: 64 }
// How shells, libc and Node say that the limit of processes was met; the engine does not tell.
const NO_MORE_PROCESSES = /Resource temporarily unavailable|\bEAGAIN\b|can(no|')t fork/i
const DISK_CHECK_MS = 2_000
const DEADLINE_SLACK_MS = 3_000

/** The volume in which the builds of an app keep npm's cache. */
export function cacheOf(yard: Pick<Yard, 'installation'>, appId: string): string {
  return `lockgate-${yard.installation}-cache-${appId}`
}

/** One build at work: its boxes, its log, its deadline. */
export class Workshop {
  readonly request: BuildRequest
  readonly #yard: Yard
  readonly #log: LogBudget
  #step = ''
  #isCrowded = false

  constructor(yard: Yard, request: BuildRequest) {
    this.#yard = yard
    this.request = request
    this.#log = new LogBudget(request.log)
  }

  get buildBox(): string {
    return `lockgate-${this.#yard.installation}-${this.request.buildId}-build`
  }

  note(line: string): void {
    this.#log.line(line)
  }

  /** Runs the steps on the checkout as nobody, one after another; their traces stay in the build box. Throws BuildFailure. */
  async run(steps: readonly string[]): Promise<void> {
    const { boxes, env, caBundle } = this.#yard
    const { limits, appId, buildId } = this.request
    const image = await this.#orCancelled(this.#yard.bases.image('node-build', (line) => this.note(line)))
    await this.#refuseFullDisk()
    await boxes.create({
      name: this.buildBox,
      owner: buildId,
      image,
      // The inner deadline ends a build though the server is dead.
      command: ['timeout', '-k', '5', String(limits.seconds), 'lockgate-steps', ...steps],
      user: USER,
      workdir: '/app',
      env: { HOME: '/tmp', CI: 'true', npm_config_cache: '/cache/npm', PORT: '8080', ...env, ...(caBundle === null ? {} : CA_ENV) },
      limits,
      network: 'build',
      tmpfs: { '/tmp': 256 },
      volumes: { '/cache': cacheOf(this.#yard, appId) },
    })
    const files = this.checkout('')
    await this.#orCancelled(boxes.put(this.buildBox, '/', files), files)
    if (caBundle !== null)
      await boxes.put(
        this.buildBox,
        '/',
        tarStream(async (tar) => void tar.entry({ name: CA_PATH.slice(1), mode: 0o644, ...ownedBy(0) }, caBundle)),
      )
    await this.#work()
  }

  /** The checkout, or one folder of it, as files of `/app`. */
  checkout(folder: string): Readable {
    return repack(this.request.tar() as Readable, this.appFiles(folder))
  }

  /** How somebody's archive becomes the files of `/app`. */
  appFiles(from: string): RepackOptions {
    return { from, into: 'app', uid: APP_USER, maxBytes: this.#yard.appMb * 1024 * 1024, maxEntries: MAX_ENTRIES }
  }

  /** A folder of the build box as files of `/app`; null when it is not there. */
  async result(path: string): Promise<Readable | null> {
    const source = await this.raw(path)
    return source === null ? null : repack(source, this.appFiles(path.slice(path.lastIndexOf('/') + 1)))
  }

  /** A file or folder of the build box as the engine gives it: somebody else's tar. Null when it is not there. */
  async raw(path: string): Promise<Readable | null> {
    try {
      return await this.#yard.boxes.get(this.buildBox, path)
    } catch (error) {
      if (codeOf(error) === 'box.path_not_found') return null
      throw error
    }
  }

  /** Makes the app's image by create, put, commit: nothing of the app is run in it. Gives its config digest. */
  async makeImage(image: AppImage): Promise<string> {
    const { boxes, bases, installation } = this.#yard
    const { buildId, projectId, appId, appName, commit } = this.request
    const box = `lockgate-${installation}-${buildId}-image`
    const base = await this.#orCancelled(bases.image(image.base, (line) => this.note(line)))
    await boxes.create({ name: box, owner: buildId, image: base, command: ['true'], limits: FILL_LIMITS, network: 'none' })
    await this.#orCancelled(this.#fill(box, image.files), image.files)
    return await this.#orCancelled(
      boxes.commit(box, {
        tag: `lockgate-${installation}/${appName}:${buildId}`,
        command: image.command,
        workdir: '/app',
        user: USER,
        env: { HOME: '/app', PORT: '8080', ...image.env },
        labels: { 'lockgate.project': projectId, 'lockgate.app': appId, 'lockgate.build': buildId, 'lockgate.commit': commit },
      }),
    )
  }

  async #fill(box: string, files: Readable): Promise<void> {
    try {
      await this.#yard.boxes.put(box, '/', files)
    } catch (error) {
      if (error instanceof InvalidError) throw new BuildFailure('no_artifact', `What the build made cannot be used: ${messageOf(error)}`)
      throw error
    }
  }

  async #work(): Promise<void> {
    const { limits, signal } = this.request
    const ended = new AbortController()
    const isFull = { value: false }
    void this.#watchDisk(ended.signal, () => {
      isFull.value = true
      stop.abort()
    })
    const stop = new AbortController()
    const deadline = AbortSignal.timeout(limits.seconds * 1000 + DEADLINE_SLACK_MS)
    const startedAt = performance.now()
    let end: BoxEnd
    try {
      end = await this.#yard.boxes.run(this.buildBox, { line: (text) => this.#output(text), signal: AbortSignal.any([signal, deadline, stop.signal]) })
    } finally {
      ended.abort()
    }
    if (signal.aborted) throw cancelled()
    if (isFull.value) throw this.#diskLow()
    if (end.status !== 0) throw this.#failure(end, performance.now() - startedAt)
  }

  #output(text: string): void {
    // What the steps program says before each step; an app that prints the same only changes a word of the message.
    if (text.startsWith('-----> ')) this.#step = text.slice('-----> '.length).slice(0, 100)
    if (NO_MORE_PROCESSES.test(text)) this.#isCrowded = true
    this.#log.line(text)
  }

  #failure(end: BoxEnd, afterMs: number): BuildFailure {
    const { memoryMb, seconds, processes } = this.request.limits
    const step = this.#step === '' ? 'The build' : `"${this.#step}"`
    if (end.oomKilled)
      return new BuildFailure(
        'out_of_memory',
        `${step} needed more than the ${memoryMb} MB of memory a build of this app may use: set build.memory in lockgate.yaml, e.g. ${doubled(memoryMb)}`,
      )
    if (afterMs >= seconds * 1000 - 500)
      return new BuildFailure(
        'timed_out',
        `${step} had not ended after ${seconds} s, the time a build of this app may take: set build.timeout in lockgate.yaml, e.g. ${Math.ceil((seconds * 2) / 60)}m`,
      )
    if (this.#isCrowded)
      return new BuildFailure(
        'too_many_processes',
        `${step} exited with ${end.status} after it wanted more than the ${processes} processes a build may have at a time`,
      )
    return new BuildFailure('exit_code', `${step} exited with ${end.status}: the log says why`)
  }

  async #refuseFullDisk(): Promise<void> {
    const free = await this.#yard.boxes.freeBytes()
    if (free !== null && free < this.#yard.freeDiskMb * 1024 * 1024) throw this.#diskLow()
  }

  #diskLow(): BuildFailure {
    return new BuildFailure(
      'disk_low',
      `Less than ${this.#yard.freeDiskMb} MB are free on the engine's disk, so nothing is built: make room, or see whether the build writes without end`,
    )
  }

  async #watchDisk(until: AbortSignal, full: () => void): Promise<void> {
    while (!until.aborted) {
      const free = await this.#yard.boxes.freeBytes().catch(() => null)
      if (free !== null && free < this.#yard.freeDiskMb * 1024 * 1024) return full()
      await pause(DISK_CHECK_MS, until)
    }
  }

  /**
   * Does not wait for work that cannot be interrupted: what it leaves is removed with the build's boxes. A stream that it
   * sends is broken off, because the engine does not let go of a box while it is being filled.
   */
  async #orCancelled<T>(work: Promise<T>, sent?: Readable): Promise<T> {
    const { signal } = this.request
    const stop = new AbortController()
    const aborted = new Promise<never>((_, reject) => {
      const cancel = (): void => {
        sent?.destroy(cancelled())
        reject(cancelled())
      }
      if (signal.aborted) cancel()
      else signal.addEventListener('abort', cancel, { once: true, signal: stop.signal })
    })
    try {
      return await Promise.race([work, aborted])
    } finally {
      stop.abort()
    }
  }
}

function cancelled(): BuildFailure {
  return new BuildFailure('requested', 'The build was cancelled')
}

function doubled(memoryMb: number): string {
  return memoryMb % 512 === 0 ? `${(memoryMb * 2) / 1024}GB` : `${memoryMb * 2}MB`
}
