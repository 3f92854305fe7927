import { join } from 'node:path'
import { z } from 'zod'
import type { RegistryCredential } from '../../../core/registry/registry.ts'
import type { Trust } from '../../../core/trust/trust.ts'
import { ConflictError, NotFoundError, RejectedError } from '../../../lib/errors.ts'
import { networks } from '../../../lib/outside.ts'
import { tarStream } from '../../../lib/tar.ts'
import type { Driver } from '../../driver.ts'
import type { ImageFacts, Runtime, RuntimeParts } from '../types.ts'
import { pushImage } from './box-images.ts'
import { openBoxes } from './boxes.ts'
import { BuildFilter } from './build-filter.ts'
import { EngineClient, EngineRefusal, translated } from './client.ts'
import { ensureContainer, inspectOurs, type Place, removeContainer } from './containers.ts'
import { watchContainers } from './events.ts'
import { execIn } from './exec.ts'
import { removeImage, resolveImage } from './images.ts'
import { engineInfo } from './info.ts'
import { InstanceGuard } from './instance-guard.ts'
import { listeningOf } from './listening.ts'
import { readLogs } from './logs.ts'
import { Networks } from './networks.ts'
import { Observer } from './observe.ts'
import { parseReference } from './reference.ts'
import { Config, type Inspected } from './schema.ts'
import { freeBytes, storedThings, writtenBytes } from './storage.ts'
import { Volumes } from './volumes.ts'

const STOP_SLACK_MS = 10_000

/** What it needs of the others. */
export interface DockerNeeds {
  /** Who we are for a registry of images, by its host as it stands in their names; null: nobody in particular. */
  readonly registryCredential: (host: string) => Promise<RegistryCredential | null>
  /** The least level at which that is used; untrusted: nobody in particular, and its images are everybody's. */
  readonly registryLevel: (host: string) => Promise<Trust>
}

/** Docker Engine on this machine. Opening it does not ask the engine: it may come up after us. */
export const docker: Driver<RuntimeParts, typeof Config, DockerNeeds | undefined> = {
  name: 'docker',
  Config,
  given: ({ installation, instanceRange, dataDirectory }) => ({ installation, instanceRange, volumesDirectory: join(dataDirectory, 'volumes') }),
  create: async (config, needs) => {
    const client = new EngineClient(config.socket ?? process.env['DOCKER_HOST'] ?? '/var/run/docker.sock', config.timeoutMs)
    const { installation } = config
    const place = {
      client,
      installation,
      networks: new Networks(client, installation),
      volumes: new Volumes(client, installation, config.volumesDirectory),
      registryCredential: async (host: string) => {
        const known = (await needs?.registryCredential(host)) ?? null
        return known && { username: known.username, password: known.password, serveraddress: known.host }
      },
      registryLevel: async (host: string) => (await needs?.registryLevel(host)) ?? 'untrusted',
      allowedRegistries: networks(config.registryNetworks),
      filter: new BuildFilter(installation, config.allowNetworks),
      guard: new InstanceGuard({ installation, range: config.instanceRange, allowLinkLocal: config.allowLinkLocal }),
    }
    return { runtime: openRuntime(place, config), boxes: openBoxes(place) }
  },
}

function openRuntime(place: Place, config: Config): Runtime {
  const { client, installation, networks } = place
  const observer = new Observer(place)
  const there = async (name: string): Promise<Inspected> => {
    const present = await inspectOurs(place, name)
    if (!present) throw new NotFoundError('runtime.not_found', `There is no instance ${name} in the engine`)
    return present
  }
  return {
    observe: (environmentId) => translated('list containers', () => observer.observe(environmentId)),
    ensure: (spec) => ensureContainer(place, spec),
    start: (name) => translated(`start ${name}`, () => startContainer(client, name, there)),
    takenAddresses: (subnet, known) => translated('look at a network', () => networks.taken(subnet, known)),
    putFile: (name, { name: file, bytes }) =>
      translated(`put a file into ${name}`, async () => {
        const tar = tarStream(async (into) => void into.entry({ name: file, mode: 0o444 }, Buffer.from(bytes)))
        await client.send({ method: 'PUT', path: `/containers/${(await there(name)).Id}/archive`, query: { path: '/' }, tar })
      }),
    stop: (name) =>
      translated(
        `stop ${name}`,
        () => stopContainer(place, name),
        () => undefined,
      ),
    remove: (name) =>
      translated(`remove ${name}`, async () => {
        const present = await inspectOurs(place, name)
        if (present) await removeContainer(client, present.Id)
      }),
    removeNetwork: (environmentId) => translated('remove a network', () => networks.remove(environmentId)),
    resolveImage: (reference, forApp): Promise<ImageFacts> => translated(`find image ${reference}`, () => resolveImage(place, reference, forApp)),
    stored: () => translated('list what takes disk', () => storedThings(place)),
    writtenBytes: () => translated('measure what instances have written', () => writtenBytes(place)),
    freeBytes: () => translated('look at its disk', () => freeBytes(place, [])),
    shareImage: (digest, reference) =>
      translated(`push ${reference}`, async () => {
        const { name, tag } = parseReference(reference)
        await client.send({ method: 'POST', path: `/images/${digest}/tag`, query: { repo: name, tag } })
        return pushImage(place, reference)
      }),
    removeImage: (digest) => translated(`remove image ${digest}`, () => removeImage(client, installation, digest)),
    logs: async function* (name, options) {
      const { Id } = await translated(`read the log of ${name}`, () => there(name))
      yield* readLogs(client, Id, options)
    },
    exec: (name, command, timeoutMs) =>
      translated(`run ${command[0]} in ${name}`, async () => {
        try {
          return await execIn(client, (await there(name)).Id, { command, timeoutMs })
        } catch (error) {
          if (error instanceof EngineRefusal && error.status === 409) throw new ConflictError('runtime.not_running', `${name} does not run`, { cause: error })
          throw error
        }
      }),
    listening: (name) =>
      translated('look into an instance', async () => {
        const { State } = await there(name)
        return State.Pid > 0 ? listeningOf(State.Pid) : null
      }),
    watch: (signal) => watchContainers(client, installation, signal),
    info: () => engineInfo(place, config.instanceRange),
  }
}

async function startContainer(client: EngineClient, name: string, there: (name: string) => Promise<Inspected>): Promise<void> {
  try {
    await client.send({ method: 'POST', path: `/containers/${(await there(name)).Id}/start` })
  } catch (error) {
    if (error instanceof EngineRefusal && /Address already in use/i.test(error.message))
      throw new RejectedError('runtime.address_taken', `The address of ${name} is taken by a container that Lockgate did not make (${error.message})`, {
        cause: error,
      })
    throw error
  }
}

async function stopContainer(place: Place, name: string): Promise<void> {
  const present = await inspectOurs(place, name)
  if (!present) return
  const graceMs = (present.Config.StopTimeout ?? 10) * 1000
  await place.client.json(z.unknown(), { method: 'POST', path: `/containers/${present.Id}/stop`, timeoutMs: graceMs + STOP_SLACK_MS })
}
