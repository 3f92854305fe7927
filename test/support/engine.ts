// What the engine holds of one installation, by label alone: to see that nothing is left, and to leave nothing ourselves.
import { z } from 'zod'
import { removeFilter } from '../../src/drivers/runtime/docker/build-filter.ts'
import { EngineClient } from '../../src/drivers/runtime/docker/client.ts'
import { LABEL, labelFilter } from '../../src/drivers/runtime/docker/labels.ts'
import { removeVolumeFiles } from '../../src/drivers/runtime/docker/volumes.ts'

const Containers = z.array(z.object({ Id: z.string(), Names: z.array(z.string()), Labels: z.record(z.string(), z.string()) }))
const Networks = z.array(z.object({ Id: z.string(), Name: z.string() }))
const Images = z.array(z.object({ Id: z.string(), RepoTags: z.array(z.string()).nullable() }))
const Volumes = z.object({ Volumes: z.array(z.object({ Name: z.string() })).nullable() })

/** Names of everything an installation has in the engine. */
export interface Holdings {
  readonly containers: readonly string[]
  readonly networks: readonly string[]
  readonly images: readonly string[]
  readonly volumes: readonly string[]
}

const SOCKET = '/var/run/docker.sock'

export async function holdingsOf(installation: string, socket = SOCKET): Promise<Holdings> {
  const client = new EngineClient(socket, 30_000)
  const query = labelFilter(installation)
  const containers = await client.json(Containers, { path: '/containers/json', query: { all: 'true', ...query } })
  const networks = await client.json(Networks, { path: '/networks', query })
  const volumes = await client.json(Volumes, { path: '/volumes', query })
  const images = await client.json(Images, { path: '/images/json', query: { filters: JSON.stringify({ label: [`${LABEL.image}=${installation}`] }) } })
  return {
    containers: containers.flatMap((one) => one.Names.map((name) => name.slice(1))).sort(),
    networks: networks.map((one) => one.Name).sort(),
    volumes: (volumes.Volumes ?? []).map((one) => one.Name).sort(),
    // Bases and test images are shared by every installation of this machine.
    images: images
      .flatMap((one) => one.RepoTags ?? [])
      .filter((tag) => tag.startsWith(`lockgate-${installation}/`))
      .sort(),
  }
}

/** Removes all of it, with the rules of its builds and the disks that are in files of a folder. */
export async function wipe(installation: string, volumesDirectory: string, socket = SOCKET): Promise<void> {
  const client = new EngineClient(socket, 30_000)
  const { containers, networks, images, volumes } = await holdingsOf(installation, socket)
  const gone = (path: string, query: Readonly<Record<string, string>> = {}) => client.send({ method: 'DELETE', path, query }).catch(() => undefined)
  for (const name of containers) await gone(`/containers/${name}`, { force: 'true', v: 'true' })
  for (const name of networks) await gone(`/networks/${name}`)
  for (const name of volumes) await gone(`/volumes/${encodeURIComponent(name)}`)
  for (const tag of images) await gone(`/images/${encodeURI(tag)}`, { force: 'true' })
  await removeFilter(installation)
  await removeVolumeFiles(volumesDirectory)
}
