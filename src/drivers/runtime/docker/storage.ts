import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Stored } from '../types.ts'
import type { Place } from './containers.ts'
import { LABEL, labelFilter } from './labels.ts'

const DF_MS = 2 * 60_000
const Usage = z.object({
  Images: z
    .array(
      z.object({
        Id: z.string(),
        RepoTags: z.array(z.string()).nullish(),
        Size: z.number(),
        SharedSize: z.number().default(0),
        Containers: z.number().default(0),
        Created: z.number(),
      }),
    )
    .nullish(),
})

/** What of ours lies in the engine and in volume files: images of this installation, bases, kept volumes of builds. */
export async function storedThings(place: Place): Promise<Stored[]> {
  const { Images } = await place.client.json(Usage, { path: '/system/df', timeoutMs: DF_MS })
  const own = `lockgate-${place.installation}/`
  const images = (Images ?? []).flatMap((image): Stored[] => {
    const tags = image.RepoTags ?? []
    const tag = tags.find((one) => one.startsWith(own)) ?? tags.find((one) => one.startsWith('lockgate/'))
    if (tag === undefined) return []
    const kind = tag.startsWith(own) ? 'image' : 'base'
    return [{ kind, name: tag, id: image.Id, bytes: Math.max(0, image.Size - image.SharedSize), isUsed: image.Containers > 0, createdAt: image.Created * 1000 }]
  })
  return [...images, ...(await keptVolumes(place))]
}

const Written = z.array(z.object({ Names: z.array(z.string()), SizeRw: z.number().default(0) }))

/** Bytes in the writable layer of each running instance. The engine reads the layers: seconds, on a slow disk. */
export async function writtenBytes({ client, installation }: Place): Promise<ReadonlyMap<string, number>> {
  const query = { size: 'true', ...labelFilter(installation, { [LABEL.kind]: 'instance' }) }
  const containers = await client.json(Written, { path: '/containers/json', query, timeoutMs: DF_MS })
  return new Map(containers.flatMap(({ Names, SizeRw }) => Names.map((name) => [name.slice(1), SizeRw] as const)))
}

/** Sparse files: what they take is their blocks, not their length. */
async function keptVolumes({ volumes }: Place): Promise<Stored[]> {
  if (volumes.directory === null) return []
  const folder = join(volumes.directory, 'kept')
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.ext4'))
  return Promise.all(
    names.map(async (file) => {
      const { blocks, mtimeMs } = await stat(join(folder, file))
      const name = file.replace(/\.ext4$/, '')
      return { kind: 'cache' as const, name, id: name, bytes: blocks * 512, isUsed: false, createdAt: Math.round(mtimeMs) }
    }),
  )
}

/** The least free space where the engine keeps its things, and in these folders; null: none of them can be seen. */
export async function freeBytes(place: Pick<Place, 'client'>, folders: readonly string[]): Promise<number | null> {
  const { info } = await place.client.connect()
  const places = [info.DockerRootDir, ...folders]
  const spaces = await Promise.all(places.map((path) => statfs(path).catch(() => null)))
  const free = spaces.flatMap((space) => (space === null ? [] : [space.bavail * space.bsize]))
  return free.length === 0 ? null : Math.min(...free)
}
