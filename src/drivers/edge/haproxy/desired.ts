// From a routing table and a pool to what a worker should hold. Pure.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { HostName, PathPrefix, type RoutingTable } from '../../../core/route/route.ts'
import { RejectedError } from '../../../lib/errors.ts'
import { DEFAULT_TIMEOUT_MS, type MapName, PARKED, pageValue } from './config.ts'
import { stateFragment } from './pages.ts'
import { namesOf } from './pool.ts'
import { CLASSES, type Pool } from './schema.ts'

/** One server line as it should be. */
export interface WantedSlot {
  readonly address: string
  readonly port: number
  readonly ready: boolean
}

export type Maps = Readonly<Record<MapName, ReadonlyMap<string, string>>>

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
  if (!Number.isSafeInteger(table.generation)) refuse(`generation ${table.generation}`)
}

function refuse(what: string): never {
  throw new RejectedError('edge.refused', `The edge cannot serve ${what}: it is not well-formed. Remove it from the environment.`)
}

/** The word that stands for an arm in the maps: its backend, or a name of no backend while it has none. */
function keyOf(byArm: ReadonlyMap<string, string>, arm: string): string {
  return byArm.get(arm) ?? `x_${createHash('sha256').update(arm).digest('hex').slice(0, 16)}`
}

/** What a worker must hold to serve the table from the backends of the pool: addresses and states of slots, and the maps. */
export function desiredState(table: RoutingTable, pool: Pool): Desired {
  const byArm = new Map(Object.entries(pool.backends).flatMap(([name, backend]) => (backend.retired ? [] : [[backend.arm, name] as const])))
  const routes = new Map(
    table.routes.map((route) => [
      `${route.host}${route.path === '/' ? '' : route.path}/`,
      keyOf(byArm, table.environments[route.environmentId]?.stable ?? route.environmentId),
    ]),
  )
  const timeouts = new Map<string, string>()
  const pages = new Map<string, string>()
  for (const traffic of Object.values(table.environments)) {
    const arm = traffic.stable
    const key = keyOf(byArm, arm)
    // HAProxy counts milliseconds in 31 bits.
    const timeoutMs = Math.min(2_000_000_000, Math.max(1, Math.round(traffic.requestTimeoutMs)))
    if (timeoutMs !== DEFAULT_TIMEOUT_MS && byArm.has(arm)) timeouts.set(key, String(timeoutMs))
    pages.set(key, pageValue({ fragment: stateFragment(traffic), retryAfterSeconds: traffic.page.retryAfterSeconds }))
  }
  return { slots: wantedSlots(pool), maps: { routes, timeouts, pages, generation: new Map([['generation', String(table.generation)]]) } }
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
