import type { Readable } from 'node:stream'
import { APP_LABEL, isOfAnotherApp } from '../../../core/artifact/artifact.ts'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { ImageChoice, PlannedStep } from '../../../core/build/build-plan.ts'
import { volumesLeftOut } from '../../../core/build/left-out.ts'
import { codeOf, InvalidError, messageOf } from '../../../lib/errors.ts'
import { randomWord } from '../../../lib/ids.ts'
import { MAX_ENTRIES, type RepackOptions, repack } from '../../../lib/repack.ts'
import type { BoxEnd, BoxSpec } from '../../runtime/types.ts'
import { addBaseFile, type BaseFile, baseFilesTar, userFiles } from '../bases/base-file.ts'
import type { BuildRequest } from '../types.ts'
import { cancelled, orCancelled } from './cancelled.ts'
import { diskLow, refuseFullDisk, watchDisk } from './free-disk.ts'
import { refuseHigher } from './from-images.ts'
import { CA_ENV, CACHE_ENV } from './host-settings.ts'
import { LogBudget } from './log-budget.ts'
import { StepsReader, stepsCommand } from './steps-program.ts'
import { Hints, tooBig, verdictOf } from './verdict.ts'
import { cacheOf, cacheVolume, networkFor, workspaceOf, type Yard } from './yard.ts'

export interface AppImage {
  readonly runner: ImageChoice
  readonly files: Readable
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What is said of the build box by who opens it; the rest is the same for every build. */
export type Opened = Pick<BoxSpec, 'image' | 'command' | 'workdir' | 'env' | 'tmpfs' | 'nested' | 'readsInput'>

/** Reads the output of a build box: lines for the log, and what becomes of its steps. */
export interface Reader {
  push(text: string): void
  /** Nothing comes any more. */
  close(isDone: boolean): void
  /** The step that runs, or that was the last. */
  readonly step: Pick<PlannedStep, 'name' | 'phase'> | null
  /** Why it failed, where that is not the status of a program. */
  readonly reason?: string | null
}

// Boxes that are only filled and committed never run anything.
const FILL_LIMITS = { cpus: 1, memoryMb: 256, processes: 64 }
const PULL_ANSWER_MS = 20_000
const DEADLINE_SLACK_MS = 3_000

/** One build at work: its boxes, its log, its deadline. */
export class Workshop {
  readonly request: BuildRequest
  readonly #yard: Yard
  readonly #log: LogBudget
  #content: string | null = null
  #left: ReadonlySet<string> | null = null
  readonly #hints = new Hints()
  readonly #user: number

  /** `user`: number of the user that the build runs as and that its files belong to. */
  constructor(yard: Yard, request: BuildRequest, user: number) {
    this.#yard = yard
    this.request = request
    this.#user = user
    this.#log = new LogBudget(request.log)
  }

  get buildBox(): string {
    return `lockgate-${this.#yard.installation}-${this.request.buildId}-build`
  }

  note(line: string): void {
    this.#log.line(line)
  }

  /** Runs the steps on the checkout as nobody, one after another; their traces stay in the build box, `mayHave` knows of the paths in `looked`. Throws BuildFailure. */
  async run(builder: ImageChoice, steps: readonly PlannedStep[], looked: readonly string[]): Promise<void> {
    const { env, caBundle } = this.#yard
    const secrets = this.request.trust !== 'untrusted' ? this.request.secrets : {}
    const image = await this.#image(builder, 'builds')
    const settings = { HOME: '/tmp', CI: 'true', PORT: '8080', ...CACHE_ENV, ...env, ...(caBundle === null ? {} : CA_ENV) }
    const surroundings = JSON.stringify([settings, this.request.values, this.#yard.files])
    // An app cannot tell of steps by printing what looks like news of them.
    const mark = randomWord(16)
    await this.open(
      {
        image,
        command: stepsCommand({ mark, builder: image, surroundings, looked }, steps),
        workdir: '/app',
        env: { ...secrets, ...settings },
        tmpfs: { '/tmp': 256 },
      },
      { work: '/app' },
    )
    await this.fill('app', this.#usersIn(builder))
    const reader = new StepsReader(mark, steps, { line: (text) => this.output(text), step: this.request.step })
    try {
      await this.watch(reader)
    } finally {
      this.#left = reader.left
    }
  }

  /**
   * Creates the build box: as nobody, within the limits and on the network of the build, its own disk at `work`, what earlier
   * builds left at `/cache`. Gives the names of the volumes that are new.
   */
  async open(box: Opened, at: { readonly work: string; readonly also?: NonNullable<BoxSpec['volumes']> }): Promise<readonly string[]> {
    const { limits, buildId } = this.request
    await refuseFullDisk(this.#yard)
    return this.#yard.boxes.create({
      ...box,
      name: this.buildBox,
      owner: buildId,
      // The inner deadline ends a build though the server is dead.
      command: ['timeout', '-k', '5', String(limits.seconds), ...box.command],
      user: this.#owner,
      limits,
      network: await networkFor(this.#yard, this.request, (line) => this.note(line)),
      volumes: {
        [at.work]: { name: workspaceOf(this.#yard, buildId), sizeMb: limits.diskMb, keep: false },
        '/cache': cacheVolume(this.#yard, this.request),
        ...at.also,
      },
    })
  }

  /** Puts the checkout, the certificates of the host, settings of package managers and `also` into the build box. */
  async fill(into: string, also: readonly BaseFile[] = []): Promise<void> {
    const { boxes, files: settings } = this.#yard
    const before: RepackOptions['before'] = (tar) => {
      for (const file of [...settings, ...also]) addBaseFile(tar, file)
    }
    const files = repack(this.request.tar() as Readable, { ...this.appFiles(''), into, before })
    try {
      await this.orCancelled(boxes.put(this.buildBox, '/', files), files)
    } catch (error) {
      if (/no space left on device/i.test(messageOf(error))) throw tooBig(this.request.limits)
      throw error
    }
  }

  /** The checkout, or one folder of it, as files of `/app`. */
  checkout(folder: string): Readable {
    return repack(this.request.tar() as Readable, this.appFiles(folder))
  }

  /** Whether a path that `run` was to look for may be there after it. */
  mayHave(path: string): boolean {
    return this.#left === null || this.#left.has(path)
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
    return { from, into: 'app', uid: this.#user, maxBytes: this.#yard.appMb * 1024 * 1024, maxEntries: MAX_ENTRIES, summed }
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

  /** The name of the image, which keeps it from whoever tidies the engine. */
  get tag(): string {
    return `lockgate-${this.#yard.installation}/${this.request.appName}:${this.request.buildId}`
  }

  /** What the image says of where it comes from. */
  get labels(): Readonly<Record<string, string>> {
    const { buildId, projectId, appId, commit } = this.request
    return { 'lockgate.project': projectId, [APP_LABEL]: appId, 'lockgate.build': buildId, 'lockgate.commit': commit }
  }

  /** Makes the app's image by create, put, commit: nothing of the app is run in it. Gives its config digest. */
  async makeImage(image: AppImage): Promise<string> {
    const { boxes, installation } = this.#yard
    const { buildId } = this.request
    const box = `lockgate-${installation}-${buildId}-image`
    const base = await this.#image(image.runner, 'runs')
    await boxes.create({ name: box, owner: buildId, image: base, command: ['true'], limits: FILL_LIMITS, network: 'none' })
    const users = this.#usersIn(image.runner)
    if (users.length > 0) await this.orCancelled(boxes.put(box, '/', baseFilesTar(users)))
    await this.orCancelled(this.#fill(box, image.files), image.files)
    return await this.orCancelled(
      boxes.commit(box, {
        tag: this.tag,
        command: image.command,
        workdir: '/app',
        user: this.#owner,
        env: { HOME: '/app', PORT: '8080', ...image.env },
        labels: this.labels,
      }),
    )
  }

  get #owner(): string {
    return `${this.#user}:${this.#user}`
  }

  /** Our own bases know `app` by another number; an image that somebody named keeps its users. */
  #usersIn(choice: ImageChoice): BaseFile[] {
    return 'image' in choice ? [] : userFiles(this.#user)
  }

  #image(choice: ImageChoice, use: 'builds' | 'runs'): Promise<string> {
    return this.orCancelled('image' in choice ? this.#pulled(choice.image, use) : this.#yard.bases.image(choice, (line) => this.note(line)))
  }

  /** An image that `lockgate.yaml` names: as its registry has it now, else as the engine has it. */
  async #pulled(reference: string, use: 'builds' | 'runs'): Promise<string> {
    const { boxes } = this.#yard
    const { trust } = this.request
    refuseHigher(reference, await boxes.levelOf(reference), trust)
    const isPulled = (await boxes.pull(reference, PULL_ANSWER_MS)) === null
    const image = await boxes.describeImage(reference)
    if (image === null)
      throw new BuildFailure('not_understood', `The image ${reference} that lockgate.yaml names could not be pulled, and is not in the engine`)
    const { digest } = image
    refuseHigher(reference, image.level, trust)
    if (isOfAnotherApp(image.labels, this.request.appId))
      throw new BuildFailure('not_understood', `The image ${reference} that lockgate.yaml names was built for another app, and is not for this one`)
    this.note(`Using the image ${reference}, ${digest}${isPulled ? '' : ' (its registry did not give it; this is the one in the engine)'}`)
    if (use === 'runs') for (const sentence of volumesLeftOut(image.volumes)) this.note(sentence)
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

  /** Runs the build box to its end. Throws BuildFailure with the limit it met, or the status it ended with. */
  async watch(reader: Reader, input?: Uint8Array): Promise<void> {
    const { limits, signal } = this.request
    const ended = new AbortController()
    const isFull = { value: false }
    void watchDisk(this.#yard, ended.signal, () => {
      isFull.value = true
      stop.abort()
    })
    const stop = new AbortController()
    const deadline = AbortSignal.timeout(limits.seconds * 1000 + DEADLINE_SLACK_MS)
    const startedAt = performance.now()
    let end: BoxEnd = { status: 1, oomKilled: false }
    try {
      const options = { line: (text: string) => reader.push(text), signal: AbortSignal.any([signal, deadline, stop.signal]) }
      end = await this.#yard.boxes.run(this.buildBox, { ...options, ...(input === undefined ? {} : { input }) })
    } finally {
      ended.abort()
      reader.close(end.status === 0)
    }
    if (signal.aborted) throw cancelled()
    if (isFull.value) throw diskLow(this.#yard)
    if (end.status !== 0) throw await this.#failure(end, { reader, afterMs: performance.now() - startedAt })
  }

  /** A line the build printed. */
  output(text: string): void {
    this.#hints.line(text)
    this.#log.line(text)
  }

  async #failure(end: BoxEnd, how: { readonly reader: Reader; readonly afterMs: number }): Promise<BuildFailure> {
    const { boxes } = this.#yard
    const names = [workspaceOf(this.#yard, this.request.buildId), cacheOf(this.#yard, this.request)]
    const uses = (await Promise.all(names.map((name) => boxes.volumeUse(name)))).filter((use) => use !== null)
    const { step, reason = null } = how.reader
    return verdictOf({ step, reason, end, afterMs: how.afterMs, limits: this.request.limits, hints: this.#hints, uses })
  }

  /** What `orCancelled` of this build's signal gives. */
  orCancelled<T>(work: Promise<T>, sent?: Readable): Promise<T> {
    return orCancelled(this.request.signal, work, sent)
  }
}
