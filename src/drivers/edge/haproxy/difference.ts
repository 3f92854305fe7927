// What a worker must be told so that it holds what it should. Pure. The order makes before it breaks: new servers take traffic
// before routes lead to them, and old ones are taken out after routes have left them.
import { PARKED } from './config.ts'
import { candidateIn, type Desired, type Maps, type WantedSlot } from './desired.ts'
import { HANDOVER } from './loopback.ts'
import type { MapName } from './schema.ts'

/** A server line as the worker holds it. */
export interface ViewSlot extends WantedSlot {
  /** Taken out by its check. */
  readonly down: boolean
}

export interface View {
  readonly slots: ReadonlyMap<string, ViewSlot>
  readonly maps: Maps
}

interface Phases {
  readonly make: string[]
  readonly take: string[]
  readonly park: string[]
}

/** The commands, in order; none when the worker is right. A slot the worker does not have is passed over. */
export function difference(view: View, desired: Desired, path: (name: MapName) => string): readonly string[] {
  const slots: Phases = { make: [], take: [], park: [] }
  for (const [name, wanted] of desired.slots) {
    const held = view.slots.get(name)
    if (held) compareSlot({ name, wanted, held, slots })
  }
  const map = (name: MapName): MapDifference => compareMap(path(name), view.maps[name], desired.maps[name])
  const [hosts, arms, special, generation] = [map('hosts'), map('arms'), map('special'), map('generation')]
  const described = [map('timeouts'), map('pages'), map('repair')]
  return [
    ...slots.make,
    ...described.flatMap(({ set }) => set),
    // A hold stands before what it hides changes, and is let go of after what it hid is right.
    ...special.set.filter(isHold),
    ...arms.set,
    ...special.set.filter((command) => !isHold(command)),
    ...special.remove,
    ...hosts.set,
    ...slots.take,
    ...[hosts, arms, ...described].flatMap(({ remove }) => remove),
    ...slots.park,
    ...generation.set,
    ...generation.remove,
  ]
}

/** Whether what special.map is told begins with a hold. */
function isHold(command: string): boolean {
  return / \d+:[^ ]*$/.test(command)
}

/**
 * What a worker from before a reload should hold: its environments lead to the worker of now, so that no instance is asked by a
 * worker that does not follow it. Its slots stay as they are: they count what is still in flight.
 */
export function handedOver(desired: Desired): Desired {
  const arms = new Map([...desired.maps.arms].map(([word, backend]) => [word, backend.startsWith('h') ? HANDOVER.h2c : HANDOVER.http] as const))
  return { slots: new Map(), maps: { ...desired.maps, arms, special: new Map(), repair: new Map() } }
}

/** Whether the worker was started with a configuration that can hand over: those of older releases of Lockgate cannot. */
export function canHandOver(view: View): boolean {
  return [...view.slots.keys()].some((name) => name.startsWith(`${HANDOVER.http}/`))
}

/**
 * What an old worker should hold that cannot hand over. It may lack backends the pool grew by: then its environments stay where they are, no share
 * goes to them, and a slot of an instance that still takes traffic elsewhere stays in traffic here.
 */
export function desiredOfOld(view: View, desired: Desired): Desired {
  const backends = new Set([...view.slots.keys()].map((name) => name.split('/')[0] ?? ''))
  const inTraffic = new Set([...desired.slots.values()].filter((slot) => slot.ready).map((slot) => `${slot.address} ${slot.port}`))
  const kept = [...desired.maps.arms].flatMap(([key, value]): (readonly [string, string])[] => {
    const held = view.maps.arms.get(key)
    return value !== 'none' && !backends.has(value) && held ? [[key, held]] : []
  })
  const stillRouted = new Set(kept.map(([, value]) => value))
  const slots = new Map(
    [...desired.slots].map(([name, slot]) => {
      const ready = slot.ready || (stillRouted.has(name.split('/')[0] ?? '') && inTraffic.has(`${slot.address} ${slot.port}`))
      return [name, { ...slot, ready }] as const
    }),
  )
  const special = new Map(
    [...desired.maps.special].flatMap(([key, value]) => {
      const candidate = candidateIn(value)
      if (candidate === null || backends.has(candidate)) return [[key, value] as const]
      const wait = value.slice(0, value.indexOf('|'))
      return wait === '' ? [] : [[key, `${wait}|`] as const]
    }),
  )
  return { slots, maps: { ...desired.maps, special, arms: new Map([...desired.maps.arms, ...kept]) } }
}

function compareSlot(pair: { readonly name: string; readonly wanted: WantedSlot; readonly held: ViewSlot; readonly slots: Phases }): void {
  const { name, wanted, held, slots } = pair
  const moved = wanted.address !== held.address || wanted.port !== held.port
  const move = `set server ${name} addr ${wanted.address} port ${wanted.port}`
  const parks = wanted.port === PARKED.port && wanted.address === PARKED.address
  if (moved && !parks) {
    if (held.ready) slots.make.push(`set server ${name} state maint`)
    slots.make.push(move)
  }
  if (wanted.ready) {
    if (!held.ready || moved) slots.make.push(`set server ${name} state ready`)
    else if (held.down) slots.make.push(`set server ${name} health up`)
    return
  }
  if (held.ready && !(moved && !parks)) slots.take.push(`set server ${name} state maint`)
  if (moved && parks) slots.park.push(move)
}

interface MapDifference {
  readonly set: readonly string[]
  readonly remove: readonly string[]
}

function compareMap(path: string, held: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): MapDifference {
  const set: string[] = []
  for (const [key, value] of wanted) {
    const before = held.get(key)
    if (before === undefined) set.push(`add map ${path} ${key} ${value}`)
    else if (before !== value) set.push(`set map ${path} ${key} ${value}`)
  }
  const remove = [...held.keys()].filter((key) => !wanted.has(key)).map((key) => `del map ${path} ${key}`)
  return { set, remove }
}
