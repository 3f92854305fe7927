import { createHash } from 'node:crypto'
import { messageOf } from '../../../lib/errors.ts'
import { readIfThere } from '../../../lib/files.ts'
import { overlaps, parseRange } from '../../../lib/ipv4.ts'
import { INNER_NETWORKS } from '../../../lib/outside.ts'
import { run } from '../../../lib/run.ts'
import { removeGuard } from './instance-guard.ts'

/** Name of the bridge of builds: fixed, so that a rule can name it; at most the 15 characters an interface may have. */
export function buildInterface(installation: string): string {
  const short = installation.length <= 12 ? installation : createHash('sha256').update(installation).digest('hex').slice(0, 12)
  return `lgb${short}`
}

/** Name of the table with the rules of builds. */
export function buildTable(installation: string): string {
  return `lockgate_${installation}`
}

/**
 * The rules as one transaction of nft(8): the table is there before and after it, also when it was not. A chain of ours only
 * forbids: what it accepts still goes through the chains of others. A build is told at once: it would else wait for minutes.
 */
export function filterRules(installation: string, open: { readonly resolvers: readonly string[]; readonly networks: readonly string[] }): string {
  const table = `inet ${buildTable(installation)}`
  const bridge = buildInterface(installation)
  const names = (port: string): string => (open.resolvers.length === 0 ? '' : `    ip daddr { ${open.resolvers.join(', ')} } ${port} dport 53 accept\n`)
  const allowed = open.networks.length === 0 ? '' : `    ip daddr { ${open.networks.join(', ')} } accept\n`
  return `table ${table}
delete table ${table}
table ${table} {
  chain forward {
    type filter hook forward priority filter - 5; policy accept;
    oifname "${bridge}" ct state != { established, related } counter drop
    iifname != "${bridge}" accept
    ct state { established, related } accept
    meta nfproto ipv6 counter reject with icmpx admin-prohibited
${names('udp')}${names('tcp')}    tcp dport 25 counter reject with icmpx admin-prohibited
${allowed}    ip daddr { ${INNER_NETWORKS.join(', ')} } counter reject with icmpx admin-prohibited
  }
  chain input {
    type filter hook input priority filter - 5; policy accept;
    iifname != "${bridge}" accept
${names('udp')}${names('tcp')}    counter reject with icmpx admin-prohibited
  }
}
`
}

/** Resolvers of resolv.conf(5) that the rules would else forbid. Those on loopback are asked by the engine, not by the box. */
export function privateResolvers(text: string): string[] {
  const addresses = [...text.matchAll(/^\s*nameserver\s+([0-9.]+)\s*$/gm)].map(([, address = '']) => address)
  return addresses.filter((address) => {
    const one = parseRange(`${address}/32`)
    return !address.startsWith('127.') && INNER_NETWORKS.some((range) => overlaps(parseRange(range), one))
  })
}

/** The packet filter of the network of builds. */
export class BuildFilter {
  readonly #installation: string
  readonly #networks: readonly string[]

  /** `networks`: private ranges that builds may reach all the same. */
  constructor(installation: string, networks: readonly string[]) {
    this.#installation = installation
    this.#networks = networks
  }

  /** Puts the rules in force, again when they are: whoever reloads a firewall removes them. As `missing`. */
  stand(): Promise<string | null> {
    return this.#nft([])
  }

  /** Why this machine cannot have the rules, or null; changes nothing. */
  missing(): Promise<string | null> {
    return this.#nft(['--check'])
  }

  async #nft(options: readonly string[]): Promise<string | null> {
    try {
      const text = (await readIfThere('/etc/resolv.conf')) ?? ''
      // systemd-resolved lists the real ones apart; the engine reads those too.
      const real = /nameserver\s+127\./.test(text) ? ((await readIfThere('/run/systemd/resolve/resolv.conf')) ?? '') : ''
      const resolvers = [...new Set(privateResolvers(`${text}\n${real}`))]
      await run('nft', [...options, '--file', '-'], { input: filterRules(this.#installation, { resolvers, networks: this.#networks }) })
      return null
    } catch (error) {
      return messageOf(error)
    }
  }
}

/** Removes the rules of an installation, those of its instances too; of nothing is fine. */
export async function removeFilter(installation: string): Promise<void> {
  await run('nft', ['delete', 'table', 'inet', buildTable(installation)], { anyStatus: true }).catch(() => undefined)
  await removeGuard(installation)
}
