import type { Readable } from 'node:stream'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { ImageChoice, PlannedStep } from '../../../core/build/build-plan.ts'
import { pause } from '../../../lib/clock.ts'
import { codeOf, InvalidError, messageOf } from '../../../lib/errors.ts'
import { randomWord } from '../../../lib/ids.ts'
import { MAX_ENTRIES, type RepackOptions, repack } from '../../../lib/repack.ts'
import { ownedBy, tarStream } from '../../../lib/tar.ts'
import type { BoxEnd, Boxes, BoxSpec } from '../../runtime/types.ts'
import type { Bases } from '../bases/index.ts'
import { APP_USER } from '../bases/recipe.ts'
import type { BuildRequest } from '../types.ts'
import { CA_ENV, CA_PATH } from './host-settings.ts'
import { LogBudget } from './log-budget.ts'
import { StepsReader, stepsCommand } from './steps-program.ts'
import { Hints, verdictOf } from './verdict.ts'

/** What all builds of this server share. */
export interface Yard {
  readonly boxes: Boxes
  readonly bases: Bases
  readonly installation: string
  readonly env: Readonly<Record<string, string>>
  readonly caBundle: string | null
  readonly freeDiskMb: number
  /** Build nothing where the network of builds has no filter. */
  readonly requireFilter: boolean
  /** Most an app may be, unpacked. */
  readonly appMb: number
}

export interface AppImage {
  readonly runner: ImageChoice
  readonly files: Readable
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const USER = `${APP_USER}:${APP_USER}`
// Boxes that are only filled and committed never run anything.
const FILL_LIMITS = { cpus: 1, memoryMb: 256, processes: 64 }
const PULL_ANSWER_MS = 20_000
const DISK_CHECK_MS = 2_000
const DEADLINE_SLACK_MS = 3_000

/** The volume in which builds of an app keep what makes the next one faster: never the same for trusted and other ones. */
export function cacheOf(yard: Pick<Yard, 'installation'>, who: Pick<BuildRequest, 'appId' | 'trusted'>): string {
  return `lockgate-${yard.installation}-cache-${who.trusted ? 't' : 'u'}-${who.appId}`
}

/** The volume of one build's files. */
export function workspaceOf(yard: Pick<Yard, 'installation'>, buildId: string): string {
  return `lockgate-${yard.installation}-work-${buildId}`
}

/** A cache is thrown away at 70 %, so that what is left of this is never less than half of a build's disk. */
export function cacheMb(diskMb: number): number {
  return diskMb * 2
}

/** One build at work: its boxes, its log, its deadline. */
export class Workshop {
  readonly request: BuildRequest
  readonly #yard: Yard
  readonly #log: LogBudget
  #content: string | null = null
  readonly #hints = new Hints()

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
  async run(builder: ImageChoice, steps: readonly PlannedStep[]): Promise<void> {
    const { boxes, env, caBundle } = this.#yard
    const { limits, buildId } = this.request
    const image = await this.#image(builder)
    // An app cannot tell of steps by printing what looks like news of them.
    const mark = randomWord(16)
    await this.#refuseFullDisk()
    await boxes.create({
      name: this.buildBox,
      owner: buildId,
      image,
      // The inner deadline ends a build though the server is dead.
      command: ['timeout', '-k', '5', String(limits.seconds), ...stepsCommand(mark, image, steps)],
      user: USER,
      workdir: '/app',
      env: { HOME: '/tmp', CI: 'true', npm_config_cache: '/cache/npm', PORT: '8080', ...env, ...(caBundle === null ? {} : CA_ENV) },
      limits,
      network: await this.#network(),
      tmpfs: { '/tmp': 256 },
      volumes: {
        '/app': { name: workspaceOf(this.#yard, buildId), sizeMb: limits.diskMb, keep: false },
        '/cache': { name: cacheOf(this.#yard, this.request), sizeMb: cacheMb(limits.diskMb), keep: true },
      },
    })
    const files = this.checkout('')
    await this.#orCancelled(boxes.put(this.buildBox, '/', files), files)
    if (caBundle !== null)
      await boxes.put(
        this.buildBox,
        '/',
        tarStream(async (tar) => void tar.entry({ name: CA_PATH.slice(1), mode: 0o644, ...ownedBy(0) }, caBundle)),
      )
    await this.#work(new StepsReader(mark, steps, { line: (text) => this.#output(text), step: this.request.step }))
  }

  /** The checkout, or one folder of it, as files of `/app`. */
  checkout(folder: string): Readable {
    return repack(this.request.tar() as Readable, this.appFiles(folder))
  }

  /** Hash of the files that went into `/app` last, without their times. */
  get content(): string | null {
    return this.#content
  }

  /** How somebody's archive becomes the files of `/app`. */
  appFiles(from: string): RepackOptions {
    const summed = (hash: string): void => {
      this.#content = hash
    }
    return { from, into: 'app', uid: APP_USER, maxBytes: this.#yard.appMb * 1024 * 1024, maxEntries: MAX_ENTRIES, summed }
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
    const { boxes, installation } = this.#yard
    const { buildId, projectId, appId, appName, commit } = this.request
    const box = `lockgate-${installation}-${buildId}-image`
    const base = await this.#image(image.runner)
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

  #image(choice: ImageChoice): Promise<string> {
    return this.#orCancelled('image' in choice ? this.#pulled(choice.image) : this.#yard.bases.image(choice, (line) => this.note(line)))
  }

  /** An image that `lockgate.yaml` names: as its registry has it now, else as the engine has it. */
  async #pulled(reference: string): Promise<string> {
    const { boxes } = this.#yard
    const isPulled = (await boxes.pull(reference, PULL_ANSWER_MS)) === null
    const digest = await boxes.findImage(reference)
    if (digest === null)
      throw new BuildFailure('not_understood', `The image ${reference} that lockgate.yaml names could not be pulled, and is not in the engine`)
    this.note(`Using the image ${reference}, ${digest}${isPulled ? '' : ' (its registry did not give it; this is the one in the engine)'}`)
    return digest
  }

  async #fill(box: string, files: Readable): Promise<void> {
    try {
      await this.#yard.boxes.put(box, '/', files)
    } catch (error) {
      if (error instanceof InvalidError) throw new BuildFailure('no_artifact', `What the build made cannot be used: ${messageOf(error)}`)
      throw error
    }
  }

  async #work(reader: StepsReader): Promise<void> {
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
      end = await this.#yard.boxes.run(this.buildBox, { line: (text) => reader.push(text), signal: AbortSignal.any([signal, deadline, stop.signal]) })
    } finally {
      ended.abort()
      reader.close()
    }
    if (signal.aborted) throw cancelled()
    if (isFull.value) throw this.#diskLow()
    if (end.status !== 0) throw await this.#failure(end, { step: reader.step, afterMs: performance.now() - startedAt })
  }

  #output(text: string): void {
    this.#hints.line(text)
    this.#log.line(text)
  }

  async #failure(end: BoxEnd, how: { readonly step: PlannedStep | null; readonly afterMs: number }): Promise<BuildFailure> {
    const { boxes } = this.#yard
    const names = [workspaceOf(this.#yard, this.request.buildId), cacheOf(this.#yard, this.request)]
    const uses = (await Promise.all(names.map((name) => boxes.volumeUse(name)))).filter((use) => use !== null)
    const step = how.step === null ? 'The build' : `"${how.step.name}"`
    const isTest = how.step?.phase === 'test'
    return verdictOf({ step, isTest, end, afterMs: how.afterMs, limits: this.request.limits, hints: this.#hints, uses })
  }

  /** Whoever may not see what trusted builds leave is not let into private networks either. */
  async #network(): Promise<BoxSpec['network']> {
    const { manifest, trusted } = this.request
    if (manifest.build?.network === 'none') return 'none'
    if (trusted) return this.#yard.requireFilter ? 'filtered' : 'open'
    const { network } = await this.#yard.boxes.gaps()
    if (network === null) return 'filtered'
    this.note('This change is not trusted, and what keeps builds out of private networks cannot be put in force here: its build has no network')
    return 'none'
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
