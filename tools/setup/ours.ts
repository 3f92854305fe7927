// What carries our label in the engine: for bin/down and bin/clean.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import Docker from 'dockerode'
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
export function processesOf(places: Places): RunningProgram[] {
  const marks = [`${places.home}/`, places.settings]
  return readdirSync('/proc').flatMap((entry): RunningProgram[] => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid || Number(entry) === process.ppid) return []
    const command = readText(`/proc/${entry}/cmdline`).replaceAll('\0', ' ').trim()
    const isOurs = [
      command,
      readText(`/proc/${entry}/environ`)
        .split('\0')
        .find((one) => one.startsWith('LOCKGATE_SETTINGS=')) ?? '',
    ].some((text) => marks.some((mark) => text.includes(mark)))
    // A shell or an editor that names a file of it is no program of it.
    return isOurs && /(^|\/)(node|haproxy|dockerd)\b|supervisor\.js/.test(command) ? [{ pid: Number(entry), command: command.slice(0, 80) }] : []
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
