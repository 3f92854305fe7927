// The folder on disk: what HAProxy starts from after a crash, and what this driver remembers. Every file is replaced whole.
import { access, constants, readFile, rm, stat } from 'node:fs/promises'
import { messageOf, UnavailableError } from '../../../lib/errors.ts'
import { failpoint } from '../../../lib/failpoint.ts'
import { makeFolder, makeFolderFor, readIfThere, writeAtomic } from '../../../lib/files.ts'
import { run } from '../../../lib/run.ts'
import { configPath, configurationText, type HostFacts, mapText, pageFiles } from './config.ts'
import type { Maps } from './desired.ts'
import { luaPath, luaText } from './lua.ts'
import { type Config, MAP_NAMES, mapFile, Pool } from './schema.ts'

/** How often the files that HAProxy would start from are compared with what was written. */
export const COMPARE_MS = 4_000

/** What HAProxy starts from: configuration, maps, pages and the pool, kept equal to what the running worker is given. */
export class Mirror {
  readonly #config: Config
  readonly #host: HostFacts
  /** What is on disk, by path, as far as we wrote it; and what the file looked like then: whoever changes it changes that. */
  readonly #texts = new Map<string, Written>()
  #comparedAt = 0

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

  /** Writes again what was written and is not there as it was: a crash of HAProxy must find every file whole. Gives their paths. */
  async restore(): Promise<readonly string[]> {
    if (performance.now() - this.#comparedAt < COMPARE_MS) return []
    this.#comparedAt = performance.now()
    const damaged = await this.damaged()
    if (damaged.length > 0) await this.#write(Object.fromEntries(damaged.map((path) => [path, this.#texts.get(path)?.text ?? ''])))
    return damaged
  }

  /** Paths of files that this process wrote and that are missing or changed now. */
  async damaged(): Promise<readonly string[]> {
    const damaged: string[] = []
    for (const [path, { mark }] of this.#texts) if ((await markOf(path)) !== mark) damaged.push(path)
    return damaged
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
    try {
      await Promise.all(
        Object.entries(texts).map(async ([path, text]) => {
          const written = this.#texts.get(path)
          if (written?.text === text && written.mark === (await markOf(path))) return
          this.#texts.delete(path)
          await makeFolderFor(path)
          await writeAtomic(path, text)
          this.#texts.set(path, { text, mark: await markOf(path) })
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
    const result = await run(this.#config.program, ['-c', '-f', candidate], { anyStatus: true }).finally(async () => {
      this.#texts.delete(candidate)
      await rm(candidate, { force: true })
    })
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

interface Written {
  readonly text: string
  /** null: it was gone again at once. */
  readonly mark: string | null
}

/** Inode, size and time of change of a file; null: it is not there. Cheaper than reading maps of 100,000 lines every few seconds. */
async function markOf(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  return found && `${found.ino} ${found.size} ${found.mtimeNs}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
