import type { BaseChoice } from '../../../core/build/build-plan.ts'
import { messageOf, UnavailableError } from '../../../lib/errors.ts'
import { sha256 } from '../../../lib/hash.ts'
import type { Log } from '../../../lib/log.ts'
import { tarStream } from '../../../lib/tar.ts'
import type { Boxes } from '../../runtime/types.ts'
import { type BaseFile, baseFilesTar } from './base-file.ts'
import { npmVersion, STATIC_SERVER, staticServerSource, withNodeFiles } from './node-files.ts'
import { type Recipe, type RecipeFacts, recipeOf, recipeTag } from './recipe.ts'
import { suiteOfHost, withRootfs } from './rootfs.ts'

const REGISTRY_ANSWER_MS = 3_000
const OWNER = 'bases'
const FILL_LIMITS = { cpus: 1, memoryMb: 256, processes: 64 }
const RUN_LIMITS = { cpus: 2, memoryMb: 1024, processes: 256 }
const RUN_MS = 5 * 60_000

export interface BasesOptions {
  readonly boxes: Boxes
  /** Prefix of a registry that has them, e.g. `127.0.0.1:5000/lockgate`; what is made here is pushed there too. */
  readonly registry: string | null
  /** Where packages come from and what is trusted, for what is fetched into a base. */
  readonly online?: { readonly env: Readonly<Record<string, string>>; readonly files: readonly BaseFile[] }
  /** `http://mirror/debian`, instead of what the host's apt has; null: that. */
  readonly debianMirror?: string | null
  readonly log: Log
}

/** Lockgate's own base images: in the engine, from the registry, or made here once from the host's apt sources. */
export class Bases {
  readonly #options: BasesOptions
  readonly #underWay = new Map<string, Promise<string>>()
  readonly #failures = new Map<string, string>()

  constructor(options: BasesOptions) {
    this.#options = options
  }

  /** The image's tag; it is there when this resolves. `note` is told when it takes a while. Throws what `withRootfs` and `withNodeFiles` throw. */
  async image(choice: BaseChoice, note: (line: string) => void = () => undefined): Promise<string> {
    const tag = await this.tag(choice)
    const known = this.#underWay.get(tag)
    if (known) return known
    const work = this.#image(choice, tag, note).finally(() => this.#underWay.delete(tag))
    work.then(
      () => this.#failures.delete(tag),
      (error: unknown) => this.#failures.set(tag, messageOf(error)),
    )
    this.#underWay.set(tag, work)
    return work
  }

  /** Why the last try to have one failed; null when it did not, or was not tried. */
  failureOf({ base }: BaseChoice): string | null {
    return [...this.#failures].find(([tag]) => tag.startsWith(`lockgate/${base}:`))?.[1] ?? null
  }

  /** What `image` will give, without making it: equal recipes are equal tags. */
  async tag(choice: BaseChoice): Promise<string> {
    const facts = await factsOfHost()
    // The version that runs us is the one without a number.
    const version = choice.version === null || choice.version === facts.node ? '' : `${choice.version}-`
    return `lockgate/${choice.base}:${version}${recipeTag(choice, facts)}`
  }

  async #image(choice: BaseChoice, tag: string, note: (line: string) => void): Promise<string> {
    const { boxes, registry, log } = this.#options
    if (await boxes.findImage(tag)) return tag
    note(
      `Making the base image ${tag.slice(0, tag.lastIndexOf(':'))}${choice.version === null ? '' : ` ${choice.version}`}: once on this machine, up to a minute`,
    )
    const startedAt = performance.now()
    const remote = registry === null ? null : `${registry}/${tag.slice('lockgate/'.length)}`
    if (remote !== null && (await boxes.pull(remote, REGISTRY_ANSWER_MS, true)) === null) {
      await boxes.tag(remote, tag)
      log.info('base image pulled', { image: remote, seconds: secondsSince(startedAt) })
      return tag
    }
    await this.#make(choice, tag)
    log.info('base image made', { image: tag, seconds: secondsSince(startedAt) })
    if (remote !== null) await this.#share(tag, remote)
    return tag
  }

  async #make(choice: BaseChoice, tag: string): Promise<void> {
    const { boxes } = this.#options
    const recipe = recipeOf(choice, await factsOfHost())
    const config = { tag, command: ['sh'], labels: { 'lockgate.base': choice.base }, env: recipe.env }
    if ('packages' in recipe.from) await withRootfs({ ...recipe.from, mirror: this.#options.debianMirror ?? null }, (tar) => boxes.importImage(tar, config))
    if ('packages' in recipe.from && recipe.run === undefined) return
    const below = 'packages' in recipe.from ? tag : await this.image(recipe.from)
    const box = `lockgate-bases-${choice.base}-${sha256(`${tag}${process.pid}`).slice(0, 8)}`
    const { run } = recipe
    await boxes.create({
      name: box,
      owner: OWNER,
      image: below,
      command: run?.command ?? ['true'],
      limits: run === undefined ? FILL_LIMITS : RUN_LIMITS,
      network: run?.isOnline ? 'open' : 'none',
      env: { ...(run?.isOnline ? this.#options.online?.env : {}), ...run?.env },
    })
    try {
      await this.#add(box, recipe)
      await boxes.commit(box, config)
    } finally {
      await boxes.remove(box)
    }
  }

  async #add(box: string, { node, staticServer, run }: Recipe): Promise<void> {
    const { boxes } = this.#options
    if (node !== undefined) await withNodeFiles({ ...node, env: this.#options.online?.env ?? {} }, (tar) => boxes.put(box, '/', tar))
    if (staticServer) {
      const source = await staticServerSource()
      await boxes.put(
        box,
        '/',
        tarStream(async (target) => void target.entry({ name: STATIC_SERVER.slice(1) }, source)),
      )
    }
    if (run === undefined) return
    const files = run.isOnline ? (this.#options.online?.files ?? []) : []
    await boxes.put(box, '/', baseFilesTar(files))
    const lines: string[] = []
    const { status } = await boxes.run(box, { line: (line) => lines.push(line), signal: AbortSignal.timeout(RUN_MS) })
    if (status !== 0)
      throw new UnavailableError('bases.failed', `A base image could not be made: ${run.command.join(' ')} exited with ${status}: ${lines.slice(-5).join(' ')}`)
  }

  /** Other machines of the registry need not make it again; that it is not taken is no reason to fail. */
  async #share(tag: string, remote: string): Promise<void> {
    const { boxes, log } = this.#options
    try {
      await boxes.tag(tag, remote)
      await boxes.push(remote)
    } catch (error) {
      log.warn('base image not pushed', { image: remote, error: messageOf(error) })
    }
  }
}

async function factsOfHost(): Promise<RecipeFacts> {
  return { suite: await suiteOfHost(), arch: process.arch, node: process.version.slice(1), npm: await npmVersion(), staticServer: await staticServerSource() }
}

function secondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 100) / 10
}
