// What a worker must be told so that it holds what it should. Pure. The order makes before it breaks: new servers take traffic
// before routes lead to them, and old ones are taken out after routes have left them.
import { PARKED } from './config.ts'
import { candidateIn, type Desired, type Maps, type WantedSlot } from './desired.ts'
import { MAP_NAMES, type MapName } from './schema.ts'

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
  const maps = MAP_NAMES.filter((name) => name !== 'generation').map((name) => compareMap(path(name), view.maps[name], desired.maps[name]))
  const generation = compareMap(path('generation'), view.maps.generation, desired.maps.generation)
  // A map leads to those that stand behind it in MAP_NAMES: those are set first and deleted last.
  const set = maps.toReversed().flatMap((map) => map.set)
  const remove = maps.flatMap((map) => map.remove)
  return [...slots.make, ...set, ...slots.take, ...remove, ...slots.park, ...generation.set, ...generation.remove]
}

/**
 * What an old worker should hold. It may lack backends the pool grew by: then its environments stay where they are, no share
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

function compareMap(
  path: string,
  held: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): { readonly set: string[]; readonly remove: string[] } {
  const set: string[] = []
  for (const [key, value] of wanted) {
    const before = held.get(key)
    if (before === undefined) set.push(`add map ${path} ${key} ${value}`)
    else if (before !== value) set.push(`set map ${path} ${key} ${value}`)
  }
  const remove = [...held.keys()].filter((key) => !wanted.has(key)).map((key) => `del map ${path} ${key}`)
  return { set, remove }
}
