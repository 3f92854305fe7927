// Which arm has which backend, and which target which slot. Pure. A slot is given to another instance only after it was
// released, that is when no worker had a request in flight to it: so a slot's name means the same instance in all workers.
import type { Protocol } from '../../../core/artifact/artifact.ts'
import type { RouteArm, RouteTarget } from '../../../core/route/route.ts'
import { RejectedError } from '../../../lib/errors.ts'
import { CLASSES, type Config, type Pool, type PoolBackend, type PoolClass, type Slot } from './schema.ts'

type Backends = Record<string, PoolBackend>

/** An unused pool of the sizes in the configuration. */
export function emptyPool(sizes: Config['pool']): Pool {
  return { counts: Object.fromEntries(CLASSES.map((size) => [size.name, configured(sizes, size)])), backends: {} }
}

/** The pool with at least the sizes in the configuration: it never shrinks under what it has grown to. */
export function atLeast(pool: Pool, sizes: Config['pool']): Pool {
  const counts = Object.fromEntries(CLASSES.map((size) => [size.name, Math.max(pool.counts[size.name] ?? 0, configured(sizes, size))]))
  return { ...pool, counts }
}

function configured(sizes: Config['pool'], size: PoolClass): number {
  const bySlots: Readonly<Record<string, number>> = sizes[size.protocol]
  return bySlots[String(size.slots)] ?? 0
}

/**
 * Gives every arm that has targets a backend with a slot for each of them, keeping what fits. What is not wanted any more is
 * `leaving`. Counts grow where backends run out or less than a tenth is free. Throws RejectedError `edge.refused` for an
 * arm with more targets than the largest class has slots.
 */
export function assign(pool: Pool, arms: readonly RouteArm[]): Pool {
  const counts = { ...pool.counts }
  const backends: Backends = {}
  const wanted = new Map(arms.filter((arm) => arm.targets.length > 0).map((arm) => [arm.id, arm]))
  const placed = new Set<string>()
  for (const [name, backend] of Object.entries(pool.backends)) {
    const arm = wanted.get(backend.arm)
    const usable = arm && !backend.retired && !placed.has(arm.id) && protocolOf(name) === arm.protocol
    const filled = usable ? fill(backend, arm.targets) : null
    if (filled) placed.add(backend.arm)
    backends[name] = filled ?? retire(backend)
  }
  for (const arm of wanted.values()) {
    if (placed.has(arm.id)) continue
    const size = classFor(arm)
    const empty: PoolBackend = { arm: arm.id, retired: false, slots: new Array<null>(size.slots).fill(null) }
    backends[freeName({ size, counts, backends })] = fill(empty, arm.targets) ?? empty
  }
  keepSpare(counts, backends)
  return { counts, backends }
}

/** Frees the leaving slots that `busy` says no to, and retired backends without any slot left. */
export function release(pool: Pool, busy: (backend: string, slot: number) => boolean): Pool {
  const backends: Backends = {}
  for (const [name, backend] of Object.entries(pool.backends)) {
    const slots = backend.slots.map((slot, index) => (slot?.leaving && !busy(name, index) ? null : slot))
    if (!backend.retired || slots.some((slot) => slot !== null)) backends[name] = { ...backend, slots }
  }
  return { ...pool, backends }
}

/** Backends with a slot that waits to be released. */
export function leaving(pool: Pool): readonly string[] {
  return Object.keys(pool.backends).filter((name) => pool.backends[name]?.retired || pool.backends[name]?.slots.some((slot) => slot?.leaving))
}

/** The backend that serves an arm, or null while the arm has no targets. */
export function backendOf(pool: Pool, arm: string): string | null {
  return Object.keys(pool.backends).find((name) => pool.backends[name]?.arm === arm && !pool.backends[name]?.retired) ?? null
}

/** Every slot that names an instance, leaving ones too. */
export function slotsOf(pool: Pool, instance: string): readonly { readonly backend: string; readonly slot: number }[] {
  return Object.entries(pool.backends).flatMap(([backend, { slots }]) =>
    slots.flatMap((slot, index) => (slot?.instance === instance ? [{ backend, slot: index }] : [])),
  )
}

/** Names of all backends of a class: `p8_000`, `p8_001` ... */
export function namesOf(size: PoolClass, count: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => nameOf(size, number))
}

/** How many backends of each class there are and are free. */
export function usage(pool: Pool): readonly { readonly size: PoolClass; readonly count: number; readonly free: number }[] {
  return CLASSES.map((size) => {
    const count = pool.counts[size.name] ?? 0
    return { size, count, free: count - used(size, pool.backends) }
  })
}

/** How many server lines a pool has: each is checked, and needs an open file for that. */
export function serversOf(pool: Pool): number {
  return CLASSES.reduce((sum, size) => sum + (pool.counts[size.name] ?? 0) * size.slots, 0)
}

/** HAProxy must be able to hold so many connections beside its checks: a visitor and an app have one each for a request. */
const LEAST_CONNECTIONS = 500

/**
 * The pool as far as HAProxy's open files allow it to have grown: with spare backends, else with those in use only. Throws
 * RejectedError `edge.refused` when not even these fit.
 */
export function bounded(before: Pool, after: Pool, openFiles: number): Pool {
  const fits = (pool: Pool): boolean => serversOf(pool) <= serversOf(before) || serversOf(pool) + 2 * LEAST_CONNECTIONS <= openFiles
  if (fits(after)) return after
  const bare = {
    ...after,
    counts: Object.fromEntries(CLASSES.map((size) => [size.name, Math.max(before.counts[size.name] ?? 0, reach(size, after.backends))])),
  }
  if (fits(bare)) return bare
  throw new RejectedError(
    'edge.refused',
    `HAProxy may have ${openFiles} open files, and ${serversOf(bare)} places for instances with ${LEAST_CONNECTIONS} connections need ${serversOf(bare) + 2 * LEAST_CONNECTIONS}. ` +
      'Raise the limit where HAProxy is started (LimitNOFILE= of its unit, or ulimit -Hn; at most 100000 are used) and start it anew.',
  )
}

/** How many backends of a class there have to be for those in use. */
function reach(size: PoolClass, backends: Readonly<Backends>): number {
  return Math.max(0, ...Object.keys(backends).flatMap((name) => (name.startsWith(`${size.name}_`) ? [Number(name.slice(size.name.length + 1)) + 1] : [])))
}

function used(size: PoolClass, backends: Readonly<Backends>): number {
  return Object.keys(backends).filter((name) => name.startsWith(`${size.name}_`)).length
}

function nameOf(size: PoolClass, number: number): string {
  return `${size.name}_${String(number).padStart(3, '0')}`
}

function protocolOf(name: string): Protocol | null {
  return CLASSES.find((size) => name.startsWith(`${size.name}_`))?.protocol ?? null
}

function isSame(slot: Slot, target: RouteTarget): boolean {
  return slot.instance === target.instance && slot.address === target.address && slot.port === target.port
}

function retire(backend: PoolBackend): PoolBackend {
  return { ...backend, retired: true, slots: backend.slots.map((slot) => slot && { ...slot, ready: false, leaving: true }) }
}

/** The backend with these targets, or null when it has not enough free slots. */
function fill(backend: PoolBackend, targets: readonly RouteTarget[]): PoolBackend | null {
  const missing = targets.filter((target) => !backend.slots.some((slot) => slot && isSame(slot, target)))
  const slots = backend.slots.map((slot): Slot | null => {
    if (!slot) {
      const target = missing.shift()
      return target ? { instance: target.instance, address: target.address, port: target.port, ready: target.ready, leaving: false } : null
    }
    const target = targets.find((candidate) => isSame(slot, candidate))
    return { ...slot, ready: target?.ready ?? false, leaving: target === undefined }
  })
  return missing.length === 0 ? { ...backend, slots } : null
}

function classFor(arm: RouteArm): PoolClass {
  const size = CLASSES.find((candidate) => candidate.protocol === arm.protocol && candidate.slots >= arm.targets.length)
  if (size) return size
  throw new RejectedError('edge.refused', `${arm.id} has ${arm.targets.length} instances; the edge holds at most 128 in one group. Scale it down.`)
}

/** A free backend's name; a class without one is doubled. */
function freeName(search: { readonly size: PoolClass; readonly counts: Record<string, number>; readonly backends: Readonly<Backends> }): string {
  const { size, counts, backends } = search
  const count = counts[size.name] ?? 0
  const free = namesOf(size, count).find((name) => !(name in backends))
  if (free) return free
  counts[size.name] = Math.max(1, count * 2)
  return nameOf(size, count)
}

function keepSpare(counts: Record<string, number>, backends: Readonly<Backends>): void {
  for (const size of CLASSES) {
    const count = counts[size.name] ?? 0
    if (count - used(size, backends) < count / 10) counts[size.name] = count * 2
  }
}
