import { readdir, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { RejectedError } from '../../../lib/errors.ts'
import { makeFolder } from '../../../lib/files.ts'
import type { BoxVolume, VolumeUse } from '../types.ts'
import { type EngineClient, EngineRefusal } from './client.ts'
import { LABEL, labelFilter } from './labels.ts'
import { attachLoop, detachLoop, detachLoops, loopsBelow, makeFileSystem, ownerOfFile, tryLoop, useOfFile } from './loop-files.ts'

const Volume = z.object({ Name: z.string(), Labels: z.record(z.string(), z.string()).nullish() })
const Listed = z.object({ Volumes: z.array(Volume).nullish() })
const KIND = 'box-volume'
/** A cache this full is begun anew: what it holds is then more in the way than of use. */
const MOST_FULL = 0.7

/**
 * Volumes of boxes: each a file system in a sparse file of its own, so that what a box writes ends at a size and takes
 * nobody else's inodes. The engine mounts them; a file is attached to a loop device only while a box may use it. Where no
 * loop device can be had they are plain volumes, and `unbounded` says why.
 */
export class Volumes {
  readonly #client: EngineClient
  readonly #installation: string
  readonly directory: string | null
  #tried: Promise<string | null> | null = null
  // One at a time: between two steps of one the volume looks like a leftover to another.
  #last: Promise<unknown> = Promise.resolve()

  /** `directory`: where the files are; null: nowhere, so that no volume has a size. */
  constructor(client: EngineClient, installation: string, directory: string | null) {
    this.#client = client
    this.#installation = installation
    this.directory = directory
  }

  /** Why volumes have no size here; null: they have. Tried once, by doing. */
  unbounded(): Promise<string | null> {
    this.#tried ??= this.directory === null ? Promise.resolve('no folder for their files is set (volumesDirectory)') : tryLoop(this.directory)
    return this.#tried
  }

  /**
   * Has the volumes ready and creates what uses them: until `create` has ended none of them is taken for a leftover. Gives the
   * names of those that are new and empty.
   */
  with(volumes: readonly BoxVolume[], who: { readonly owner: string; readonly user: string }, create: () => Promise<void>): Promise<string[]> {
    return this.#alone(async () => {
      const fresh: string[] = []
      for (const volume of volumes) if (await this.#ensure(volume, who)) fresh.push(volume.name)
      await create()
      return fresh
    })
  }

  /** Removes the volumes of an owner, lets go of kept ones that nobody uses, and removes what a killed server left. */
  sweep(owner: string): Promise<void> {
    return this.#alone(async () => {
      const all = await this.#list()
      for (const { Name, Labels } of all) {
        const isKept = Labels?.[LABEL.owner] === ''
        if (isKept && (await this.unbounded()) !== null) continue
        if (isKept || Labels?.[LABEL.owner] === owner) await this.#letGo(Name, { unlink: !isKept })
      }
      await this.#sweepFiles(new Set((await this.#list()).map(({ Name }) => Name)))
    })
  }

  /** Removes one; of nothing is fine. Throws the engine's refusal while a box uses it. */
  remove(name: string): Promise<void> {
    return this.#alone(async () => {
      const present = await this.#find(name)
      if (present) await this.#client.send({ method: 'DELETE', path: `/volumes/${encodeURIComponent(name)}` })
      for (const folder of ['kept', 'work']) await this.#unlink(folder, name)
    })
  }

  /** How full it was when a box last ended; null where it has no size of its own. */
  async use(name: string): Promise<VolumeUse | null> {
    if (this.directory === null) return null
    for (const folder of ['work', 'kept']) {
      const use = await useOfFile(this.#file(folder, name))
      if (use) return use
    }
    return null
  }

  /** True when it is new. */
  async #ensure(volume: BoxVolume, who: { readonly owner: string; readonly user: string }): Promise<boolean> {
    const labels = { [LABEL.installation]: this.#installation, [LABEL.kind]: KIND, [LABEL.owner]: volume.keep ? '' : who.owner, [LABEL.user]: who.user }
    if (this.directory === null || (await this.unbounded()) !== null) {
      const present = await this.#find(volume.name)
      if (present && present.Labels?.[LABEL.user] !== who.user && (await this.#letGo(volume.name, { unlink: false }))) return this.#ensure(volume, who)
      await this.#client.send({ method: 'POST', path: '/volumes/create', body: { Name: volume.name, Labels: labels } })
      return present === null
    }
    // While a box uses it it stays as it is; else it may be attached to a device of an earlier life of the machine.
    if (!(await this.#letGo(volume.name, { unlink: false }))) return false
    const file = this.#file(volume.keep ? 'kept' : 'work', volume.name)
    const isNew = !(volume.keep && (await isWorthKeeping(file, volume.sizeMb, who.user)))
    if (isNew) await this.#make(file, volume.sizeMb, who.user)
    const device = await attachLoop(file)
    const body = {
      Name: volume.name,
      Driver: 'local',
      DriverOpts: { type: 'ext4', device, o: 'nodev,nosuid,discard' },
      Labels: labels,
    }
    await this.#client.send({ method: 'POST', path: '/volumes/create', body })
    return isNew
  }

  async #make(file: string, sizeMb: number, user: string): Promise<void> {
    await makeFolder(dirname(file), 0o700)
    // Renamed when it is whole: a half-made one would be taken for a cache.
    const temporary = `${file}.new`
    await writeFile(temporary, '', { mode: 0o600 })
    await truncate(temporary, sizeMb * 1024 * 1024)
    await makeFileSystem(temporary, user)
    await rename(temporary, file)
  }

  /** Removes the engine's volume and detaches its device, and the file where asked. False: a box uses it. */
  async #letGo(name: string, how: { readonly unlink: boolean }): Promise<boolean> {
    if (await this.#find(name)) {
      try {
        await this.#client.send({ method: 'DELETE', path: `/volumes/${encodeURIComponent(name)}` })
      } catch (error) {
        if (error instanceof EngineRefusal && error.status === 409) return false
        if (!(error instanceof EngineRefusal && error.status === 404)) throw error
      }
    }
    if (this.directory === null) return true
    for (const folder of ['kept', 'work']) {
      if (how.unlink) await this.#unlink(folder, name)
      else await detachLoops(this.#file(folder, name))
    }
    return true
  }

  async #sweepFiles(used: ReadonlySet<string>): Promise<void> {
    if (this.directory === null || (await this.unbounded()) !== null) return
    const isUsed = (file: string): boolean => used.has(basename(file, '.ext4'))
    for (const { device, file } of await loopsBelow(this.directory)) if (!isUsed(file)) await detachLoop(device)
    for (const folder of ['kept', 'work'])
      for (const entry of await readdir(join(this.directory, folder)).catch(() => []))
        if (entry.endsWith('.new') || (folder === 'work' && !isUsed(entry))) await rm(join(this.directory, folder, entry), { force: true })
  }

  async #unlink(folder: string, name: string): Promise<void> {
    if (this.directory === null) return
    const file = this.#file(folder, name)
    await detachLoops(file)
    await rm(file, { force: true })
  }

  #file(folder: string, name: string): string {
    if (!/^[a-z0-9][a-z0-9-]{0,200}$/.test(name)) throw new RejectedError('runtime.refused', `${name} cannot name a volume`)
    return join(this.directory ?? '', folder, `${name}.ext4`)
  }

  async #find(name: string): Promise<z.infer<typeof Volume> | null> {
    try {
      const volume = await this.#client.json(Volume, { path: `/volumes/${encodeURIComponent(name)}` })
      if (volume.Labels?.[LABEL.installation] !== this.#installation)
        throw new RejectedError('runtime.not_ours', `A volume named ${name} exists that Lockgate did not make: remove it`)
      return volume
    } catch (error) {
      if (error instanceof EngineRefusal && error.status === 404) return null
      throw error
    }
  }

  async #list(): Promise<z.infer<typeof Volume>[]> {
    const query = labelFilter(this.#installation, { [LABEL.kind]: KIND })
    return (await this.#client.json(Listed, { path: '/volumes', query })).Volumes ?? []
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.catch(() => undefined).then(work)
    this.#last = next
    return next
  }
}

async function isWorthKeeping(file: string, sizeMb: number, user: string): Promise<boolean> {
  const use = await useOfFile(file)
  // Who cannot write there would fail without end.
  if (use && (await ownerOfFile(file)) !== user) return false
  if (!use?.isClean || use.totalBytes !== sizeMb * 1024 * 1024) return false
  return use.usedBytes < use.totalBytes * MOST_FULL && use.usedFiles < use.totalFiles * MOST_FULL
}

/** Removes every volume file of a folder with its device; what is not there is fine. */
export async function removeVolumeFiles(directory: string): Promise<void> {
  for (const { device } of await loopsBelow(directory)) await detachLoop(device)
  for (const folder of ['kept', 'work']) await rm(join(directory, folder), { recursive: true, force: true })
}
