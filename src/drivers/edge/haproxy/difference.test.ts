import { expect, test } from 'vitest'
import type { Desired, Maps } from './desired.ts'
import { desiredOfOld, difference, type View, type ViewSlot } from './difference.ts'
import type { MapName } from './schema.ts'

const path = (name: MapName): string => `/maps/${name}`
const one = { address: '10.0.0.1', port: 3000 }
const two = { address: '10.0.0.2', port: 3000 }
const parked = { address: '127.0.0.1', port: 1 }

function maps(arms: Record<string, string>, generation = '1', special: Record<string, string> = {}): Maps {
  const empty = new Map<string, string>()
  return {
    hosts: empty,
    arms: new Map(Object.entries(arms)),
    special: new Map(Object.entries(special)),
    repair: empty,
    timeouts: empty,
    pages: empty,
    generation: new Map([['generation', generation]]),
  }
}

function aView(slots: Record<string, Omit<ViewSlot, 'down'> & { readonly down?: boolean }>, arms: Record<string, string> = {}): View {
  return { slots: new Map(Object.entries(slots).map(([name, slot]) => [name, { down: false, ...slot }])), maps: maps(arms) }
}

function aWish(slots: Record<string, Omit<ViewSlot, 'down'>>, arms: Record<string, string> = {}, generation = '1'): Desired {
  return { slots: new Map(Object.entries(slots)), maps: maps(arms, generation) }
}

test('a worker that is right is told nothing', () => {
  const slots = { 'p8_000/s1': { ...one, ready: true }, 'p8_000/s2': { ...parked, ready: false } }

  expect(difference(aView(slots, { a: 'p8_000' }), aWish(slots, { a: 'p8_000' }), path)).toEqual([])
})

test('a switch makes the new before it leaves the old, and confirms last', () => {
  const view = aView({ 'p8_000/s1': { ...one, ready: true }, 'p8_001/s1': { ...parked, ready: false } }, { a: 'p8_000', b: 'p8_000' })
  const wish = aWish({ 'p8_000/s1': { ...one, ready: false }, 'p8_001/s1': { ...two, ready: true } }, { a: 'p8_001' }, '2')

  expect(difference(view, wish, path)).toEqual([
    'set server p8_001/s1 addr 10.0.0.2 port 3000',
    'set server p8_001/s1 state ready',
    'set map /maps/arms a p8_001',
    'set server p8_000/s1 state maint',
    'del map /maps/arms b',
    'set map /maps/generation generation 2',
  ])
})

test('a hold begins before anything it hides changes, and ends when that is right', () => {
  const hold = { a: '60000:h_1|' }
  const before = aView({ 'p8_000/s1': { ...one, ready: true }, 'p8_001/s1': { ...parked, ready: false } }, { a: 'p8_000' })
  const held = aWish({ 'p8_000/s1': { ...one, ready: false }, 'p8_001/s1': { ...parked, ready: false } })
  const after = aWish({ 'p8_000/s1': { ...one, ready: false }, 'p8_001/s1': { ...two, ready: true } })
  const holding = { ...before, maps: maps({ a: 'p8_000' }, '1', hold) }
  const share = maps({ a: 'p8_001' }, '1', { a: '|p8_000:20:request:d_1:' })

  expect(difference(before, { ...held, maps: maps({ a: 'p8_001' }, '1', hold) }, path)).toEqual([
    'add map /maps/special a 60000:h_1|',
    'set map /maps/arms a p8_001',
    'set server p8_000/s1 state maint',
  ])
  for (const [wanted, end] of [
    [maps({ a: 'p8_001' }), 'del map /maps/special a'],
    [share, 'set map /maps/special a |p8_000:20:request:d_1:'],
  ] as const) {
    expect(difference(holding, { ...after, maps: wanted }, path)).toEqual([
      'set server p8_001/s1 addr 10.0.0.2 port 3000',
      'set server p8_001/s1 state ready',
      'set map /maps/arms a p8_001',
      end,
      'set server p8_000/s1 state maint',
    ])
  }
})

test('a freed slot is taken out before its address is taken away', () => {
  const view = aView({ 'p8_000/s1': { ...one, ready: true } })

  expect(difference(view, aWish({ 'p8_000/s1': { ...parked, ready: false } }), path)).toEqual([
    'set server p8_000/s1 state maint',
    'set server p8_000/s1 addr 127.0.0.1 port 1',
  ])
})

test('a server in traffic that its check took out is put in again', () => {
  const view = aView({ 'p8_000/s1': { ...one, ready: true, down: true } })

  expect(difference(view, aWish({ 'p8_000/s1': { ...one, ready: true } }), path)).toEqual(['set server p8_000/s1 health up'])
})

test('an old worker without the new backend keeps its route and the servers that still take traffic', () => {
  const view = aView({ 'p8_000/s1': { ...one, ready: true }, 'p8_000/s2': { ...two, ready: true } }, { a: 'p8_000' })
  const wish = aWish({ 'p8_000/s1': { ...one, ready: false }, 'p8_000/s2': { ...two, ready: false }, 'p32_000/s1': { ...one, ready: true } }, { a: 'p32_000' })

  expect(difference(view, desiredOfOld(view, wish), path)).toEqual(['set server p8_000/s2 state maint'])
})

test('an old worker without the backend of a candidate sends it no share, and still lets requests wait', () => {
  const view = aView({ 'p8_000/s1': { ...one, ready: true } }, { a: 'p8_000' })
  const wish = aWish({ 'p8_000/s1': { ...one, ready: true } }, { a: 'p8_000' })
  const special = new Map([
    ['a', '|p8_009:5:request:d_1:'],
    ['b', '30000:d_2|p8_009:5:request:d_2:'],
    ['c', '|p8_000:5:request:d_3:'],
  ])

  const old = desiredOfOld(view, { ...wish, maps: { ...wish.maps, special } })

  expect([...old.maps.special]).toEqual([
    ['b', '30000:d_2|'],
    ['c', '|p8_000:5:request:d_3:'],
  ])
})
