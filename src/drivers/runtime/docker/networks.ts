import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { z } from 'zod'
import { ConflictError, RejectedError } from '../../../lib/errors.ts'
import { overlaps, parseAddress, parseRange } from '../../../lib/ipv4.ts'
import type { Subnet } from '../types.ts'
import { buildInterface } from './build-filter.ts'
import { type EngineClient, EngineRefusal } from './client.ts'
import { LABEL, type Labels, labelFilter } from './labels.ts'
import { Network } from './schema.ts'

const BRIDGE_NAME = 'com.docker.network.bridge.name'

interface Wanted {
  readonly name: string
  readonly labels: Labels
  readonly subnet: Subnet | null
  readonly options: Readonly<Record<string, string>>
}

/** The bridge networks of one installation: one for each environment, one for builds. */
export class Networks {
  readonly #client: EngineClient
  readonly #installation: string
  // The engine would make two networks of one name: calls for the same name wait for each other.
  readonly #underWay = new Map<string, Promise<unknown>>()

  constructor(client: EngineClient, installation: string) {
    this.#client = client
    this.#installation = installation
  }

  /** The network of an environment, made when it is not there; gives its name. Throws RejectedError `runtime.subnet_taken`. */
  ensure(subnet: Subnet): Promise<string> {
    return this.#once({
      name: this.#nameOf(subnet.environmentId),
      labels: { [LABEL.environment]: subnet.environmentId, [LABEL.project]: subnet.projectId, [LABEL.kind]: 'network' },
      subnet,
      options: {},
    })
  }

  /** The network of builds: boxes on it do not reach each other. */
  ensureForBuilds(): Promise<string> {
    return this.#once({
      name: `lockgate-${this.#installation}-build`,
      labels: { [LABEL.kind]: 'lockgate-build' },
      subnet: null,
      options: { [BRIDGE_NAME]: buildInterface(this.#installation), 'com.docker.network.bridge.enable_icc': 'false' },
    })
  }

  /** Addresses of an environment's range that something has which is none of the known: another container, or this machine itself. */
  async taken({ environmentId, cidr }: Subnet, known: ReadonlySet<string>): Promise<string[]> {
    const present = await this.#find(this.#nameOf(environmentId))
    const range = parseRange(cidr)
    const strangers = Object.values(present?.Containers ?? {}).filter(({ Name }) => !known.has(Name))
    const here = hostAddresses().filter((address) => overlaps(range, { first: parseAddress(address), prefix: 32 }))
    return [...strangers.map(({ IPv4Address }) => IPv4Address.split('/')[0] ?? ''), ...here]
  }

  /** Throws ConflictError `runtime.network_in_use` while containers are on it. */
  async remove(environmentId: string): Promise<void> {
    const networks = await this.#client.json(z.array(Network), {
      path: '/networks',
      query: labelFilter(this.#installation, { [LABEL.environment]: environmentId }),
    })
    for (const network of networks) await this.#delete(network)
  }

  /** Ranges of every network we made, for doctor. */
  async ranges(): Promise<string[]> {
    const networks = await this.#client.json(z.array(Network), { path: '/networks', query: labelFilter(this.#installation) })
    return networks.flatMap((network) => network.IPAM?.Config?.map((config) => config.Subnet) ?? [])
  }

  #nameOf(environmentId: string): string {
    return `lockgate-${this.#installation}-${environmentId}`
  }

  async #once(wanted: Wanted): Promise<string> {
    const earlier = this.#underWay.get(wanted.name) ?? Promise.resolve()
    const work = earlier.catch(() => undefined).then(() => this.#ensure(wanted))
    this.#underWay.set(wanted.name, work)
    try {
      await work
    } finally {
      if (this.#underWay.get(wanted.name) === work) this.#underWay.delete(wanted.name)
    }
    return wanted.name
  }

  async #ensure(wanted: Wanted): Promise<void> {
    const present = await this.#find(wanted.name)
    if (present && present.Labels[LABEL.installation] !== this.#installation)
      throw new RejectedError('runtime.not_ours', `A network named ${wanted.name} exists that Lockgate did not make: remove it`)
    const hasRange = wanted.subnet === null || present?.IPAM?.Config?.some((config) => config.Subnet === wanted.subnet?.cidr)
    if (present && hasRange && (present.Options?.[BRIDGE_NAME] ?? '') === (wanted.options[BRIDGE_NAME] ?? '')) return
    // Ours with another range: a leftover of an environment that had this id before. Or from before the bridge of builds had a
    // name of its own. Fails while something is on it.
    if (present) await this.#delete(present)
    await this.#create(wanted)
  }

  async #create(wanted: Wanted): Promise<void> {
    const mtu = await mtuOfDefaultRoute()
    try {
      await this.#client.send({
        method: 'POST',
        path: '/networks/create',
        body: {
          Name: wanted.name,
          CheckDuplicate: true,
          Driver: 'bridge',
          Labels: { [LABEL.installation]: this.#installation, ...wanted.labels },
          Options: { ...wanted.options, ...(mtu === null ? {} : { 'com.docker.network.driver.mtu': String(mtu) }) },
          ...(wanted.subnet === null ? {} : { IPAM: { Driver: 'default', Config: [{ Subnet: wanted.subnet.cidr, Gateway: wanted.subnet.gateway }] } }),
        },
      })
    } catch (error) {
      if (error instanceof EngineRefusal && /overlaps|conflicts with network/.test(error.message))
        throw new RejectedError(
          'runtime.subnet_taken',
          `The engine cannot use ${wanted.subnet?.cidr ?? 'a range'}: another network has it (${error.message}). Choose another instance range, or remove that network`,
          { cause: error },
        )
      throw error
    }
  }

  async #delete(network: Network): Promise<void> {
    try {
      await this.#client.send({ method: 'DELETE', path: `/networks/${network.Id}` })
    } catch (error) {
      if (error instanceof EngineRefusal && error.status === 404) return
      if (error instanceof EngineRefusal && /active endpoints/.test(error.message))
        throw new ConflictError('runtime.network_in_use', `Network ${network.Name} is still used by containers: remove them first`, { cause: error })
      throw error
    }
  }

  async #find(name: string): Promise<Network | null> {
    try {
      const network = await this.#client.json(Network, { path: `/networks/${encodeURIComponent(name)}` })
      return network.Name === name ? network : null
    } catch (error) {
      if (error instanceof EngineRefusal && error.status === 404) return null
      throw error
    }
  }
}

/** IPv4 addresses of this machine's own interfaces. */
export function hostAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address))
}

/** The MTU of the interface of the default route: bridges default to 1500, which a tunnel below cannot carry. */
async function mtuOfDefaultRoute(): Promise<number | null> {
  try {
    const routes = await readFile('/proc/net/route', 'utf8')
    const line = routes.split('\n').find((text) => text.split('\t')[1] === '00000000')
    const device = line?.split('\t')[0]
    if (!device) return null
    const mtu = Number(await readFile(`/sys/class/net/${device}/mtu`, 'utf8'))
    return Number.isInteger(mtu) && mtu > 0 && mtu < 1500 ? mtu : null
  } catch {
    return null
  }
}
