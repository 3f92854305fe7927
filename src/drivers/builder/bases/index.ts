import { createHash } from 'node:crypto'
import type { BaseChoice, BaseName } from '../../../core/build/build-plan.ts'
import { messageOf } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import { tarStream } from '../../../lib/tar.ts'
import type { Boxes } from '../../runtime/types.ts'
import { npmVersion, STATIC_SERVER, staticServerSource, withNodeFiles } from './node-files.ts'
import { BUILD_PACKAGES, PACKAGES, type RecipeFacts, recipeTag } from './recipe.ts'
import { suiteOfHost, withRootfs } from './rootfs.ts'

const REGISTRY_ANSWER_MS = 3_000
const OWNER = 'bases'
const LIMITS = { cpus: 1, memoryMb: 256, processes: 64 }

export interface BasesOptions {
  readonly boxes: Boxes
  /** Prefix of a registry that has them, e.g. `127.0.0.1:5000/lockgate`; what is made here is pushed there too. */
  readonly registry: string | null
  readonly log: Log
}

/** Lockgate's own base images: in the engine, from the registry, or made here once from the host's apt sources. */
export class Bases {
  readonly #options: BasesOptions
  readonly #underWay = new Map<string, Promise<string>>()

  constructor(options: BasesOptions) {
    this.#options = options
  }

  /** The image's tag; it is there when this resolves. `note` is told when it takes a while. Throws what `withRootfs` throws. */
  async image(choice: BaseChoice, note: (line: string) => void = () => undefined): Promise<string> {
    const tag = await this.tag(choice)
    const known = this.#underWay.get(tag)
    if (known) return known
    const work = this.#image(choice.base, tag, note).finally(() => this.#underWay.delete(tag))
    this.#underWay.set(tag, work)
    return work
  }

  /** What `image` will give, without making it: equal recipes are equal tags. */
  async tag({ base }: BaseChoice): Promise<string> {
    return `lockgate/${base}:${recipeTag(base, await factsOfHost())}`
  }

  async #image(name: BaseName, tag: string, note: (line: string) => void): Promise<string> {
    const { boxes, registry, log } = this.#options
    if (await boxes.findImage(tag)) return tag
    note(`Making the base image lockgate/${name}: once on this machine, about 20 s`)
    const startedAt = performance.now()
    const remote = registry === null ? null : `${registry}/${tag.slice('lockgate/'.length)}`
    if (remote !== null && (await boxes.pull(remote, REGISTRY_ANSWER_MS)) === null) {
      await boxes.tag(remote, tag)
      log.info('base image pulled', { image: remote, seconds: secondsSince(startedAt) })
      return tag
    }
    await this.#make(name, tag)
    log.info('base image made', { image: tag, seconds: secondsSince(startedAt) })
    if (remote !== null) await this.#share(tag, remote)
    return tag
  }

  async #make(name: BaseName, tag: string): Promise<void> {
    const { boxes } = this.#options
    const labels = { 'lockgate.base': name }
    if (name === 'base') {
      await withRootfs(PACKAGES, (tar) => boxes.importImage(tar, { tag, command: ['sh'], labels, env: { LANG: 'C.UTF-8', PATH } }))
      return
    }
    const below = await this.image({ base: name === 'node' ? 'base' : 'node', version: null })
    const box = `lockgate-bases-${name}-${createHash('sha256').update(`${tag}${process.pid}`).digest('hex').slice(0, 8)}`
    await boxes.create({ name: box, owner: OWNER, image: below, command: ['true'], limits: LIMITS, network: 'none' })
    try {
      if (name === 'node') await withNodeFiles((tar) => boxes.put(box, '/', tar))
      if (name === 'node-build') await withRootfs(BUILD_PACKAGES, (tar) => boxes.put(box, '/', tar))
      if (name === 'static') {
        const source = await staticServerSource()
        const tar = tarStream(async (target) => void target.entry({ name: STATIC_SERVER.slice(1) }, source))
        await boxes.put(box, '/', tar)
      }
      await boxes.commit(box, { tag, labels, command: name === 'static' ? ['node', STATIC_SERVER, '/app'] : ['sh'], env: NODE_ENV })
    } finally {
      await boxes.remove(box)
    }
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

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
// npm would write below a home that may not be writable, and ask the internet whether it is the newest.
const NODE_ENV = { npm_config_cache: '/tmp/.npm', npm_config_update_notifier: 'false', npm_config_fund: 'false', npm_config_audit: 'false' }

async function factsOfHost(): Promise<RecipeFacts> {
  return { suite: await suiteOfHost(), arch: process.arch, node: process.version, npm: await npmVersion(), staticServer: await staticServerSource() }
}

function secondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 100) / 10
}
