import type { BlockList } from 'node:net'
import type { Trust } from '../../../core/trust/trust.ts'
import { RejectedError } from '../../../lib/errors.ts'
import { failpoint } from '../../../lib/failpoint.ts'
import type { InstanceSpec } from '../types.ts'
import type { BuildFilter } from './build-filter.ts'
import { type EngineClient, EngineRefusal, type RegistryAuth, translated } from './client.ts'
import { findImage, resolveImage } from './images.ts'
import type { InstanceGuard } from './instance-guard.ts'
import { instanceLabels, LABEL } from './labels.ts'
import type { Networks } from './networks.ts'
import { Inspected } from './schema.ts'
import type { Volumes } from './volumes.ts'

// What ordinary images need to start as root and become somebody else; everything else is dropped (no raw sockets, no
// mknod, no chroot, no auditing).
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID', 'NET_BIND_SERVICE', 'KILL']

export interface Place {
  readonly client: EngineClient
  readonly installation: string
  readonly networks: Networks
  readonly volumes: Volumes
  readonly filter: BuildFilter
  readonly guard: InstanceGuard
  /** Who we are for a registry; null: nobody in particular. */
  readonly registryCredential: (host: string) => Promise<RegistryAuth | null>
  /** The least level at which the credential of a registry is used; untrusted: there is none, and its images are everybody's. */
  readonly registryLevel: (host: string) => Promise<Trust>
  /** Inner networks in which registries may be that somebody names for an app. */
  readonly allowedRegistries: BlockList
}

const LEAST_MEMORY_MB = 16

/** The body of a create call: made from the typed spec only, nothing is passed through (D7). */
export function containerBody(
  installation: string,
  network: string,
  spec: InstanceSpec & { readonly entrypoint?: readonly string[] },
): Readonly<Record<string, unknown>> {
  // The engine takes 0 for no limit; a release of long ago may ask for it.
  const memory = Math.max(spec.limits.memoryMb, LEAST_MEMORY_MB) * 1024 * 1024
  return {
    Image: spec.digest,
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    Labels: instanceLabels(installation, spec),
    // As `docker run IMAGE COMMAND` does: the image's entrypoint stays, and gets the command as its arguments.
    ...(spec.command === null ? {} : { Cmd: spec.command }),
    ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
    ...(spec.stopSignal === null ? {} : { StopSignal: spec.stopSignal }),
    StopTimeout: Math.ceil(spec.stopGraceMs / 1000),
    // The image's own health check would only start processes that nobody reads.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      Init: true,
      CapDrop: ['ALL'],
      CapAdd: CAPABILITIES,
      SecurityOpt: ['no-new-privileges'],
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: Math.round(spec.limits.cpus * 1e9),
      PidsLimit: Math.max(spec.limits.processes, 1),
      // On a machine that runs out of memory an app dies before the server and the edge do, and a build before an app.
      OomScoreAdj: 300,
      RestartPolicy: restartPolicy(spec.keepAlive),
      LogConfig: { Type: 'local', Config: { 'max-size': '10m', 'max-file': '2' } },
      NetworkMode: network,
    },
    NetworkingConfig: { EndpointsConfig: { [network]: spec.address === null ? {} : { IPAMConfig: { IPv4Address: spec.address } } } },
  }
}

/** Creates the container of a spec, or leaves it as it is; one of ours with another key or image is replaced. */
export async function ensureContainer(place: Place, spec: InstanceSpec): Promise<void> {
  await translated(`create ${spec.name}`, async () => {
    await place.guard.stand()
    const network = await place.networks.ensure(spec.subnet)
    failpoint('engine.network-made')
    // Again: a second server or an earlier call that we gave up on may have created it in between, or the image had to be brought back.
    for (let tries = 0; tries < 3; tries++) {
      const present = await inspect(place.client, spec.name)
      if (present && (await keep(place, present, spec))) return
      if (await create(place, network, spec)) return
    }
    throw new RejectedError('runtime.refused', `The engine has a container ${spec.name} that can neither be used nor replaced`)
  })
}

/** The container by name, or null. */
export async function inspect(client: EngineClient, name: string): Promise<Inspected | null> {
  try {
    return await client.json(Inspected, { path: `/containers/${encodeURIComponent(name)}/json` })
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) return null
    throw error
  }
}

/** The container by name if it is ours, or null. Throws RejectedError `runtime.not_ours`. */
export async function inspectOurs(place: Pick<Place, 'client' | 'installation'>, name: string): Promise<Inspected | null> {
  const present = await inspect(place.client, name)
  if (present && present.Config.Labels[LABEL.installation] !== place.installation)
    throw new RejectedError('runtime.not_ours', `A container named ${name} exists that Lockgate did not make: rename or remove it`)
  return present
}

/** Ends with the container gone; also when a removal is already under way. */
export async function removeContainer(client: EngineClient, id: string): Promise<void> {
  try {
    await client.send({ method: 'DELETE', path: `/containers/${encodeURIComponent(id)}`, query: { force: 'true', v: 'true' } })
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) return
    if (error instanceof EngineRefusal && error.status === 409 && /already in progress/.test(error.message)) return
    throw error
  }
}

async function keep(place: Place, present: Inspected, spec: InstanceSpec): Promise<boolean> {
  if (present.Config.Labels[LABEL.installation] !== place.installation)
    throw new RejectedError('runtime.not_ours', `A container named ${spec.name} exists that Lockgate did not make: rename or remove it`)
  if (present.Config.Labels[LABEL.key] !== spec.key || present.Image !== spec.digest || present.State.Status === 'dead') {
    await removeContainer(place.client, present.Id)
    return false
  }
  const policy = restartPolicy(spec.keepAlive)
  if ((present.HostConfig.RestartPolicy?.Name || 'no') !== policy.Name)
    await place.client.send({ method: 'POST', path: `/containers/${present.Id}/update`, body: { RestartPolicy: policy } })
  return true
}

async function create(place: Place, network: string, spec: InstanceSpec): Promise<boolean> {
  try {
    const body = containerBody(place.installation, network, { ...spec, ...(await reading(place, spec)) })
    await place.client.send({ method: 'POST', path: '/containers/create', query: { name: spec.name }, body })
    failpoint('engine.container-created')
    return true
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 409) return false
    if (error instanceof EngineRefusal && error.status === 404 && spec.reference !== null && (await bringBack(place, spec.reference, spec.digest))) return false
    if (error instanceof EngineRefusal && error.status === 404)
      throw new RejectedError('runtime.image_missing', `The engine does not have image ${spec.digest} any more: deploy or build it again`, { cause: error })
    throw error
  }
}

/** What the image would run, with a file as its standard input; the entrypoint itself sees the command as it is. */
async function reading(place: Place, { inputFile, digest }: InstanceSpec): Promise<{ readonly entrypoint?: readonly string[] }> {
  if (inputFile === null || inputFile === undefined) return {}
  const own = (await findImage(place.client, digest))?.Config?.Entrypoint ?? []
  return { entrypoint: ['sh', '-c', 'file=$1; shift; exec "$@" <"/$file"', 'sh', inputFile, ...own] }
}

/** Whether the engine has the image again: another one under that name is of no use. */
async function bringBack(place: Place, reference: string, digest: string): Promise<boolean> {
  await resolveImage(place, reference)
  return (await findImage(place.client, digest)) !== null
}

function restartPolicy(keepAlive: boolean): { readonly Name: string; readonly MaximumRetryCount: number } {
  return { Name: keepAlive ? 'on-failure' : 'no', MaximumRetryCount: 0 }
}
