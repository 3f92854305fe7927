// From a routing table and a pool to what a worker should hold. Pure.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { type EnvironmentTraffic, HostName, malformedTraffic, PathPrefix, type RoutingTable } from '../../../core/route/route.ts'
import { RejectedError } from '../../../lib/errors.ts'
import { DEFAULT_TIMEOUT_MS, PARKED, pageValue } from './config.ts'
import { AGAIN } from './loopback.ts'
import { stateFragment } from './pages.ts'
import { namesOf } from './pool.ts'
import { CLASSES, type MapName, type Pool } from './schema.ts'

/** One server line as it should be. */
export interface WantedSlot {
  readonly address: string
  readonly port: number
  readonly ready: boolean
}

export type Maps = Readonly<Record<MapName, ReadonlyMap<string, string>>>

/** A request that waits takes memory of HAProxy. */
const LONGEST_REPAIR_MS = 10 * 60_000

/** What a worker should hold: slots by `backend/server`, and maps. */
export interface Desired {
  readonly slots: ReadonlyMap<string, WantedSlot>
  readonly maps: Maps
}

/** Every value that would reach a command is checked here. Throws RejectedError `edge.refused` naming what cannot be served. */
export function checkTable(table: RoutingTable): void {
  for (const route of table.routes) {
    if (!HostName.safeParse(route.host).success || !PathPrefix.safeParse(route.path).success) refuse(`the route ${JSON.stringify(route.host + route.path)}`)
  }
  for (const arm of table.arms) {
    for (const target of arm.targets) {
      const portFits = Number.isInteger(target.port) && target.port > 0 && target.port < 65_536
      if (isIP(target.address) === 0 || !portFits) refuse(`the address ${JSON.stringify(`${target.address}:${target.port}`)} of ${target.instance}`)
    }
  }
  for (const traffic of Object.values(table.environments)) {
    const fault = malformedTraffic(traffic)
    if (fault !== null) refuse(fault)
  }
  if (!Number.isSafeInteger(table.generation)) refuse(`generation ${table.generation}`)
}

function refuse(what: string): never {
  throw new RejectedError('edge.refused', `The edge cannot serve ${what}: it is not well-formed. Remove it from the environment.`)
}

/** The word that stands for an environment in the maps. */
export function wordOf(environmentId: string): string {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(environmentId) ? environmentId : `x_${createHash('sha256').update(environmentId).digest('hex').slice(0, 16)}`
}

/** The backend of an arm; while it has none, the one that waits for a repair, or a name of no backend. */
function backendNameOf(byArm: ReadonlyMap<string, string>, { stable, repairMs }: EnvironmentTraffic): string {
  return byArm.get(stable) ?? (repairMs > 0 ? AGAIN : 'none')
}

/** What a worker must hold to serve the table from the backends of the pool: addresses and states of slots, and the maps. */
export function desiredState(table: RoutingTable, pool: Pool): Desired {
  const byArm = new Map(Object.entries(pool.backends).flatMap(([name, backend]) => (backend.retired ? [] : [[backend.arm, name] as const])))
  const hosts = new Map(table.routes.map((route) => [`${route.host}${route.path === '/' ? '' : route.path}/`, wordOf(route.environmentId)]))
  const [arms, special, repair] = [new Map<string, string>(), new Map<string, string>(), new Map<string, string>()]
  const [timeouts, pages] = [new Map<string, string>(), new Map<string, string>()]
  for (const [id, traffic] of Object.entries(table.environments)) {
    const word = wordOf(id)
    const repairMs = Math.round(Math.min(traffic.repairMs, LONGEST_REPAIR_MS))
    if (repairMs > 0) repair.set(word, String(repairMs))
    arms.set(word, backendNameOf(byArm, traffic))
    const way = specialOf(traffic, byArm)
    if (way !== null) special.set(word, way)
    // HAProxy counts milliseconds in 31 bits.
    const timeoutMs = Math.min(2_000_000_000, Math.max(1, Math.round(traffic.requestTimeoutMs)))
    if (timeoutMs !== DEFAULT_TIMEOUT_MS) timeouts.set(word, String(timeoutMs))
    pages.set(word, pageValue({ fragment: stateFragment(traffic), retryAfterSeconds: traffic.page.retryAfterSeconds }))
  }
  return { slots: wantedSlots(pool), maps: { hosts, arms, special, repair, timeouts, pages, generation: new Map([['generation', String(table.generation)]]) } }
}

/** `BOUND:TOKEN|BACKEND:PERCENT:BY:SALT:HEADER` as lua.ts reads it; null: nothing is special. A candidate without a backend gets nothing. */
function specialOf({ hold, candidate }: EnvironmentTraffic, byArm: ReadonlyMap<string, string>): string | null {
  const backend = candidate === null ? undefined : byArm.get(candidate.arm)
  if (hold === null && backend === undefined) return null
  const wait = hold === null ? '' : `${Math.round(hold.boundMs)}:${hold.token}`
  if (candidate === null || backend === undefined) return `${wait}|`
  const { percent, sticky, salt } = candidate
  return `${wait}|${backend}:${percent}:${sticky.by}:${salt}:${sticky.by === 'header' ? sticky.name.toLowerCase() : ''}`
}

/** The backend that a special way leads to; null: it only waits. */
export function candidateIn(special: string): string | null {
  return /\|([^:]+):/.exec(special)?.[1] ?? null
}

function wantedSlots(pool: Pool): ReadonlyMap<string, WantedSlot> {
  const slots = new Map<string, WantedSlot>()
  for (const size of CLASSES) {
    for (const name of namesOf(size, pool.counts[size.name] ?? 0)) {
      for (let index = 0; index < size.slots; index += 1) {
        const slot = pool.backends[name]?.slots[index]
        slots.set(`${name}/s${index + 1}`, slot ? { address: canonical(slot.address), port: slot.port, ready: slot.ready } : { ...PARKED, ready: false })
      }
    }
  }
  return slots
}

/** An address as HAProxy prints it. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}
