// What keeps the addresses of instances inside this machine, and instances away from what clouds keep on link-local addresses.
import { messageOf } from '../../../lib/errors.ts'
import { run } from '../../../lib/run.ts'

/** Whoever reloads a firewall removes rules, and whoever restarts the network removes routes. */
const AGAIN_MS = 30_000

/** Name of the table with the rules of instances. */
export function guardTable(installation: string): string {
  return `lockgate_${installation}_instances`
}

/** The rules as one transaction of nft(8): the table is there before and after it, also when it was not. */
export function guardRules(installation: string, range: string): string {
  const table = `inet ${guardTable(installation)}`
  const linkLocal = `ip saddr ${range} ip daddr 169.254.0.0/16 counter reject with icmpx admin-prohibited`
  return `table ${table}
delete table ${table}
table ${table} {
  chain forward {
    type filter hook forward priority filter - 5; policy accept;
    ${linkLocal}
  }
  chain input {
    type filter hook input priority filter - 5; policy accept;
    ${linkLocal}
  }
}
`
}

/**
 * A route for the whole range of instances that leads nowhere: the networks of environments are more specific. Where one of them
 * is deleted, its addresses are unreachable at once, and do not leave the machine by its default route.
 */
export class InstanceGuard {
  readonly #installation: string
  readonly #range: string
  readonly #allowLinkLocal: boolean
  #stoodAt = Number.NEGATIVE_INFINITY
  #missing: string | null = null

  constructor(guarded: { readonly installation: string; readonly range: string; readonly allowLinkLocal: boolean }) {
    this.#installation = guarded.installation
    this.#range = guarded.range
    this.#allowLinkLocal = guarded.allowLinkLocal
  }

  /** Why it is not in force, for doctor; null: it is. */
  get missing(): string | null {
    return this.#missing
  }

  /** Puts it in force, again from time to time. Never throws: an instance without it still runs. */
  async stand(): Promise<void> {
    if (performance.now() - this.#stoodAt < AGAIN_MS) return
    this.#stoodAt = performance.now()
    try {
      await run('ip', ['route', 'replace', 'unreachable', this.#range])
      if (!this.#allowLinkLocal) await run('nft', ['--file', '-'], { input: guardRules(this.#installation, this.#range) })
      this.#missing = null
    } catch (error) {
      this.#missing = messageOf(error)
    }
  }
}

/** Removes rules and route of an installation; of nothing is fine. */
export async function removeGuard(installation: string): Promise<void> {
  const table = ['table', 'inet', guardTable(installation)]
  const rules = await run('nft', ['list', ...table], { anyStatus: true }).catch(() => null)
  const range = /ip saddr (\S+)/.exec(rules?.stdout ?? '')?.[1]
  await run('nft', ['delete', ...table], { anyStatus: true }).catch(() => undefined)
  if (range !== undefined) await run('ip', ['route', 'del', 'unreachable', range], { anyStatus: true }).catch(() => undefined)
}
