// What carries our label in the engine: for bin/down and bin/clean.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import Docker from 'dockerode'
import { findProcessesFor } from '../../src/lib/processes.ts'
import { SOCKET } from './engine.ts'
import type { Places } from './places.ts'

const LABEL = 'lockgate.installation'
/** Images carry another label: a container made from one inherits its labels, and must not be taken for ours by that. */
const IMAGE_LABEL = 'lockgate.image'

/** The id in the labels of everything an installation made; null before its first start. */
export function installationOf(places: Places): string | null {
  const path = join(places.data, 'lockgate.db')
  if (!existsSync(path)) return null
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const row = database.prepare("select value from meta where name = 'installation'").get()
    return row ? String(row['value']) : null
  } finally {
    database.close()
  }
}

export interface Ours {
  readonly containers: readonly string[]
  /** Of them those that run. */
  readonly running: readonly string[]
  readonly networks: readonly string[]
  readonly volumes: readonly string[]
  readonly images: readonly string[]
}

/** Everything in the engine with the label of this installation. */
export async function findOurs(installation: string): Promise<Ours> {
  const docker = new Docker({ socketPath: SOCKET })
  const filters = { label: [`${LABEL}=${installation}`] }
  const containers = await docker.listContainers({ all: true, filters })
  const networks = await docker.listNetworks({ filters })
  const volumes = await docker.listVolumes({ filters })
  const images = await docker.listImages({ filters: { label: [`${IMAGE_LABEL}=${installation}`] } })
  return {
    containers: containers.map((one) => one.Id),
    running: containers.filter((one) => one.State === 'running').map((one) => one.Id),
    networks: networks.map((one) => one.Id),
    volumes: volumes.Volumes.map((one) => one.Name),
    images: images.map((one) => one.Id),
  }
}

/** Stops the containers, as their stop signals and graces say. */
export async function stopContainers(ids: readonly string[]): Promise<void> {
  const docker = new Docker({ socketPath: SOCKET })
  await Promise.all(
    ids.map((id) =>
      docker
        .getContainer(id)
        .stop()
        .catch(() => undefined),
    ),
  )
}

/** Removes all of it; what is gone already is fine. */
export async function removeOurs(ours: Ours): Promise<void> {
  const docker = new Docker({ socketPath: SOCKET })
  const ignore = (): undefined => undefined
  for (const id of ours.containers) await docker.getContainer(id).remove({ force: true, v: true }).catch(ignore)
  for (const id of ours.networks) await docker.getNetwork(id).remove().catch(ignore)
  for (const name of ours.volumes) await docker.getVolume(name).remove().catch(ignore)
  for (const id of ours.images) await docker.getImage(id).remove({ force: true }).catch(ignore)
}

export interface RunningProgram {
  readonly pid: number
  readonly command: string
}

/** Programs of this installation that run: those that name its home or its settings. */
export async function processesOf(places: Places): Promise<RunningProgram[]> {
  const found = await findProcessesFor([`${places.home}/`, places.settings])
  // A shell or an editor that names a file of it is no program of it.
  const isProgram = (command: string): boolean => /(^|\/)(node|haproxy|dockerd)\b|supervisor\.js/.test(command)
  return found
    .map(({ pid, args }) => ({ pid, command: args.join(' ') }))
    .filter(({ pid, command }) => pid !== process.pid && pid !== process.ppid && isProgram(command))
    .map(({ pid, command }) => ({ pid, command: command.slice(0, 80) }))
}
