import { codeOf, messageOf } from '../../../lib/errors.ts'
import { hostRoutes } from '../../../lib/host-routes.ts'
import { formatRange, overlaps, parseRange, type Range } from '../../../lib/ipv4.ts'
import type { RuntimeInfo } from '../types.ts'
import type { EngineClient } from './client.ts'
import type { Place } from './containers.ts'
import { Network } from './schema.ts'

type Check = RuntimeInfo['checks'][number]

/** What doctor shows. Does not throw for an engine that does not answer: that is the first check. */
export async function engineInfo(place: Place, instanceRange: string): Promise<RuntimeInfo> {
  const { client, networks } = place
  try {
    const { version, info } = await client.connect()
    await client.send({ path: '/_ping' })
    const snapshotter = info.DriverStatus.some(([name]) => name === 'driver-type')
    const checks: Check[] = [
      { name: 'engine', ok: true, sentence: `Docker Engine ${version.Version} answers at ${client.socket} (API ${version.ApiVersion})` },
      {
        name: 'storage',
        ok: info.Driver !== 'vfs',
        sentence: `Images are kept by ${info.Driver}${snapshotter ? ' (containerd store: image ids are manifest digests)' : ''}${info.Driver === 'vfs' ? ', which copies every layer: use overlay2' : ''}`,
      },
      { name: 'cgroup', ok: true, sentence: `Limits are kept by cgroup v${info.CgroupVersion} (${info.CgroupDriver})` },
      await bridgeCheck(client),
      {
        name: 'live-restore',
        ok: true,
        sentence: info.LiveRestoreEnabled
          ? 'Instances stay up while the engine restarts (live-restore)'
          : 'Instances stop when the engine restarts: set "live-restore": true in /etc/docker/daemon.json to keep them up',
      },
      rangeCheck(parseRange(instanceRange), await hostRoutes(), (await networks.ranges()).filter((range) => range.includes('.')).map(parseRange)),
      diskCheck(await place.volumes.unbounded()),
      filterCheck(await place.filter.missing()),
      guardCheck(place.guard.missing),
    ]
    return { name: 'docker', version: version.Version, checks }
  } catch (error) {
    return { name: 'docker', version: 'unknown', checks: [{ name: 'engine', ok: false, sentence: `${messageOf(error)} (${codeOf(error)})` }] }
  }
}

function diskCheck(missing: string | null): Check {
  const name = 'build-disk'
  if (missing === null) return { name, ok: true, sentence: 'A build writes to a disk of its own with a size (build.disk)' }
  return {
    name,
    ok: false,
    sentence: `The disk of one build has no limit here, only the floor of free space: ${missing}. Install e2fsprogs, run the server as root, and allow loop devices`,
  }
}

function filterCheck(missing: string | null): Check {
  const name = 'build-network'
  if (missing === null) return { name, ok: true, sentence: 'Builds reach the internet, but neither this host nor private networks' }
  return {
    name,
    ok: false,
    sentence: `Builds reach private networks and this host; those of untrusted changes get no network: ${missing}. Install nftables and run the server as root`,
  }
}

function guardCheck(missing: string | null): Check {
  const name = 'instance-network'
  if (missing === null) return { name, ok: true, sentence: 'Addresses of instances stay inside this machine, and instances do not reach link-local addresses' }
  return {
    name,
    ok: false,
    sentence: `Instances reach the metadata service of a cloud, and requests to a deleted network leave this machine: ${missing}. Install nftables and iproute2 and run the server as root`,
  }
}

/** The gateway of a bridge is an address of this host, or the engine runs somewhere else (a VM, another network namespace). */
async function bridgeCheck(client: EngineClient): Promise<Check> {
  const name = 'bridges'
  try {
    const bridge = await client.json(Network, { path: '/networks/bridge' })
    const { Gateway: gateway, Subnet: subnet } = bridge.IPAM?.Config?.[0] ?? {}
    // Not the list of interfaces: a bridge without a container is down, and is left out there.
    const routes = (await hostRoutes()).map(formatRange)
    if (!subnet || routes.includes(formatRange(parseRange(subnet)))) return { name, ok: true, sentence: 'The host reaches the networks of the engine' }
    return {
      name,
      ok: false,
      sentence: `The engine's bridge ${gateway} is not on this host: run the server beside the engine, not in a container or VM of its own`,
    }
  } catch {
    return { name, ok: true, sentence: 'The engine has no default bridge; networks of environments are made when they are needed' }
  }
}

/** Whether the range instances get is free: routes of the host inside it that do not belong to networks of ours. */
export function rangeCheck(wanted: Range, routes: readonly Range[], ours: readonly Range[]): Check {
  const name = 'instance-range'
  const clash = routes.find(
    (route) => route.prefix > 0 && overlaps(route, wanted) && !ours.some((own) => own.first === route.first && own.prefix === route.prefix),
  )
  if (clash)
    return {
      name,
      ok: false,
      sentence: `The instance range ${formatRange(wanted)} clashes with the route ${formatRange(clash)} of this host: choose another range`,
    }
  return { name, ok: true, sentence: `The instance range ${formatRange(wanted)} is free on this host` }
}
