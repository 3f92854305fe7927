// The folder on disk: what HAProxy starts from after a crash, and what this driver remembers. Every file is replaced whole.
import { access, constants, readFile } from 'node:fs/promises'
import { messageOf, UnavailableError } from '../../../lib/errors.ts'
import { failpoint } from '../../../lib/failpoint.ts'
import { makeFolder, readIfThere, writeAtomic } from '../../../lib/files.ts'
import { run } from '../../../lib/run.ts'
import { configPath, configurationText, type HostFacts, mapText, pageFiles } from './config.ts'
import type { Maps } from './desired.ts'
import { luaPath, luaText } from './lua.ts'
import { type Config, MAP_NAMES, mapFile, Pool } from './schema.ts'

/** What HAProxy starts from: configuration, maps, pages and the pool, kept equal to what the running worker is given. */
export class Mirror {
  readonly #config: Config
  readonly #host: HostFacts
  /** What is on disk, by path, as far as we wrote or read it. */
  readonly #texts = new Map<string, string>()

  constructor(config: Config, host: HostFacts) {
    this.#config = config
    this.#host = host
  }

  /** Makes what is missing: folders, pages, maps, and a configuration of an unused pool. */
  async prepare(pool: Pool): Promise<void> {
    await makeFolder(this.#config.directory)
    await Promise.all(['maps', 'pages'].map((folder) => makeFolder(`${this.#config.directory}/${folder}`)))
    const missing: Record<string, string> = {}
    const offer = async (path: string, text: string): Promise<void> => {
      if ((await readIfThere(path)) === null) missing[path] = text
    }
    for (const [name, text] of Object.entries(pageFiles(this.#config))) await offer(`${this.#config.directory}/pages/${name}`, text)
    for (const name of MAP_NAMES) await offer(mapFile(this.#config, name), '')
    await offer(luaPath(this.#config), luaText(this.#config))
    await offer(configPath(this.#config), configurationText({ config: this.#config, host: this.#host, pool }))
    await this.#write(missing)
  }

  /** The pool as it was written last, or null. A state that does not parse counts as none. */
  async readPool(): Promise<Pool | null> {
    const text = await readIfThere(this.#statePath)
    const parsed = text === null ? null : Pool.safeParse(parseJson(text))
    return parsed?.success ? parsed.data : null
  }

  /**
   * Writes pool, maps and configuration. `checked`: HAProxy itself reads the configuration first (for a new structure).
   * Throws UnavailableError `edge.mirror` when the disk does not take it, or HAProxy finds the configuration wrong.
   */
  async write(pool: Pool, maps: Maps, checked: boolean): Promise<void> {
    const texts: Record<string, string> = { [this.#statePath]: `${JSON.stringify(pool)}\n` }
    for (const name of MAP_NAMES) texts[mapFile(this.#config, name)] = mapText(maps[name])
    for (const [name, text] of Object.entries(pageFiles(this.#config))) texts[`${this.#config.directory}/pages/${name}`] = text
    texts[luaPath(this.#config)] = luaText(this.#config)
    const configuration = configurationText({ config: this.#config, host: this.#host, pool })
    await this.#write(texts)
    if (checked) await this.#check(configuration)
    await this.#write({ [configPath(this.#config)]: configuration })
    failpoint('edge.mirror-written')
  }

  async isWritable(): Promise<boolean> {
    return access(this.#config.directory, constants.W_OK).then(
      () => true,
      () => false,
    )
  }

  get #statePath(): string {
    return `${this.#config.directory}/state.json`
  }

  async #write(texts: Readonly<Record<string, string>>): Promise<void> {
    const changed = Object.entries(texts).filter(([path, text]) => this.#texts.get(path) !== text)
    try {
      await Promise.all(
        changed.map(async ([path, text]) => {
          this.#texts.delete(path)
          await writeAtomic(path, text)
          this.#texts.set(path, text)
        }),
      )
    } catch (cause) {
      throw new UnavailableError('edge.mirror', `${this.#config.directory} cannot be written (${messageOf(cause)}). Free the disk or correct its rights.`, {
        cause,
      })
    }
  }

  async #check(configuration: string): Promise<void> {
    const candidate = `${configPath(this.#config)}.candidate`
    await this.#write({ [candidate]: configuration })
    const result = await run(this.#config.program, ['-c', '-f', candidate], { anyStatus: true })
    if (result.status === 0) return
    const why = result.stderr.split('\n').filter((line) => line.includes('[ALERT]'))
    throw new UnavailableError('edge.mirror', `HAProxy does not accept the configuration: ${(why[0] ?? result.stderr).trim().slice(0, 500)}`)
  }
}

/** Whether there is IPv6, and which user the worker may change to. */
export async function hostFacts(config: Config): Promise<HostFacts> {
  const interfaces = await readIfThere('/proc/net/if_inet6')
  const asRoot = process.getuid?.() === 0
  const wanted = config.user ?? 'haproxy'
  const users = asRoot ? await readFile('/etc/passwd', 'utf8') : ''
  const there = users.split('\n').some((line) => line.startsWith(`${wanted}:`))
  return { ipv6: (interfaces ?? '').trim() !== '', user: there ? wanted : null }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
