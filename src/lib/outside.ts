import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { InvalidError, RejectedError, UnavailableError } from './errors.ts'

/** IPv4 addresses that are not the internet's: private, shared, loopback, link-local (clouds keep credentials there), multicast, documentation's (RFC 6890). */
export const INNER_NETWORKS: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
]

/** With those of IPv6 (RFC 8190). */
const INSIDE: readonly string[] = [
  ...INNER_NETWORKS,
  // IPv4 addresses inside IPv6 ones, beside the mapped ones: of no use to an honest host.
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
]

/** Networks as `10.0.0.0/8` or `fd00::/8`. Throws InvalidError `network.invalid`. */
export function networks(list: readonly string[]): BlockList {
  const block = new BlockList()
  for (const text of list) {
    const [address = '', prefix] = text.split('/')
    const family = isIP(address)
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix)
    if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128))
      throw new InvalidError('network.invalid', `"${text.slice(0, 60)}" is not a network such as 10.1.0.0/16`)
    block.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  }
  return block
}

const inside = networks(INSIDE)

/** Whether an address is of no network a stranger's URL may lead us to. IPv4 mapped into IPv6 counts as what it is, however it is written. */
export function isInside(address: string): boolean {
  return inside.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/**
 * The address to connect to for a hostname that somebody gave us: looked up once, and every answer must be outside, so that
 * no name leads into our own networks (SSRF). `allowed` are networks that may be reached all the same. Connect to just this
 * address: a second look-up could answer otherwise. Throws RejectedError `address.not_allowed`, UnavailableError `address.unknown`.
 */
export async function outsideAddress(host: string, allowed: BlockList): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  const found = await lookup(bare, { all: true }).catch((cause: unknown) => {
    throw new UnavailableError('address.unknown', `The host ${host} has no address: check its name`, { cause })
  })
  for (const { address } of found) {
    if (isInside(address) && !allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
      throw new RejectedError(
        'address.not_allowed',
        `${host} is ${address}, an address of an inner network, and Lockgate does not fetch from there: name its network under sources.allowNetworks in the settings if it may`,
      )
  }
  const first = found[0]
  if (!first) throw new UnavailableError('address.unknown', `The host ${host} has no address: check its name`)
  return first.address
}
