import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RouteArm } from '../../../core/route/route.ts'
import { assign, backendOf, bounded, emptyPool, leaving, release, serversOf, slotsOf, usage } from './pool.ts'
import { Config, type Pool } from './schema.ts'

const sizes = Config.parse({ directory: '/run/edge', httpPort: 80, pool: { http: { 8: 4, 32: 2, 128: 1 }, h2c: { 8: 1, 32: 0, 128: 0 } } }).pool

function anArm(id: string, numbers: readonly number[], protocol: RouteArm['protocol'] = 'http'): RouteArm {
  return { id, protocol, targets: numbers.map((number) => ({ instance: `${id}-${number}`, address: `10.0.0.${number}`, port: 3000, ready: true })) }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const nobody = (): boolean => false
const everybody = (): boolean => true

test('an arm gets the smallest backend that holds it, and an arm without targets none', () => {
  const pool = assign(emptyPool(sizes), [anArm('a', upTo(3)), anArm('b', upTo(9)), anArm('c', []), anArm('d', upTo(2), 'h2c')])

  expect(['a', 'b', 'c', 'd'].map((arm) => backendOf(pool, arm))).toEqual(['p8_000', 'p32_000', null, 'h8_000'])
})

test('assigning the same arms again changes nothing', () => {
  const arms = [anArm('a', upTo(3)), anArm('b', upTo(9))]
  const pool = assign(emptyPool(sizes), arms)

  expect(assign(pool, arms)).toEqual(pool)
})

test('an instance that leaves keeps its slot until it is released', () => {
  const pool = assign(assign(emptyPool(sizes), [anArm('a', [1, 2])]), [anArm('a', [2, 3])])

  expect(slotsOf(pool, 'a-1')).toEqual([{ backend: 'p8_000', slot: 0 }])
  expect(slotsOf(pool, 'a-3')).toEqual([{ backend: 'p8_000', slot: 2 }])
  expect(release(pool, everybody)).toEqual(pool)
  expect(slotsOf(release(pool, nobody), 'a-1')).toEqual([])
})

test('an arm that outgrows its backend is named in both until the old one is empty', () => {
  const pool = assign(assign(emptyPool(sizes), [anArm('a', upTo(8))]), [anArm('a', upTo(9))])

  expect(backendOf(pool, 'a')).toEqual('p32_000')
  expect(slotsOf(pool, 'a-1').map(({ backend }) => backend)).toEqual(['p8_000', 'p32_000'])
  expect(leaving(pool)).toEqual(['p8_000'])
  expect(leaving(release(pool, nobody))).toEqual([])
  expect(slotsOf(release(pool, nobody), 'a-1')).toEqual([{ backend: 'p32_000', slot: 0 }])
})

test('an instance with a new address gets a new slot, and the old one is counted with it', () => {
  const arm = anArm('a', [1])
  const moved = { ...arm, targets: arm.targets.map((target) => ({ ...target, address: '10.0.0.99' })) }

  expect(slotsOf(assign(assign(emptyPool(sizes), [arm]), [moved]), 'a-1')).toHaveLength(2)
})

test('an arm that changes its protocol moves to a backend of that protocol', () => {
  const pool = assign(assign(emptyPool(sizes), [anArm('a', [1])]), [anArm('a', [1], 'h2c')])

  expect(backendOf(pool, 'a')).toEqual('h8_000')
})

test('a class with less than a tenth free is doubled, and one that runs out too', () => {
  const arms = upTo(5).map((number) => anArm(`arm-${number}`, [number]))

  const pool = assign(emptyPool(sizes), arms)

  expect(usage(pool).find(({ size }) => size.name === 'p8')).toMatchObject({ count: 8, free: 3 })
  expect(usage(assign(emptyPool(sizes), [anArm('a', upTo(20), 'h2c')])).find(({ size }) => size.name === 'h32')).toMatchObject({ count: 2, free: 1 })
})

test('a pool grows by its spare only as far as there are open files, and what does not fit at all is refused', () => {
  const before = emptyPool(sizes)
  const five = assign(
    before,
    upTo(5).map((number) => anArm(`arm-${number}`, [number])),
  )
  // 4 x 8 + 2 x 32 + 128 + 8 are there; the fifth small backend is needed, three more would be spare, and one of h8.
  expect([serversOf(before), serversOf(five)]).toEqual([232, 264])

  expect(bounded(before, five, 1_264)).toEqual(five)
  expect(bounded(before, five, 1_240).counts).toMatchObject({ p8: 5, p32: 2, p128: 1, h8: 1 })
  expect(() => bounded(before, five, 1_239)).toThrow(/may have 1239 open files.*need 1240.*LimitNOFILE/)
  expect(bounded(five, five, 10)).toEqual(five)
})

test('more instances than the largest class holds are refused', () => {
  expect(() => assign(emptyPool(sizes), [anArm('a', upTo(129))])).toThrow(/at most 128/)
})

test('a slot never passes from one instance to another without being released, and every target has one', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 12 })
  const step = fc.record({ a: numbers, b: numbers, free: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      let pool: Pool = emptyPool(sizes)
      for (const { a, b, free } of steps) {
        const arms = [anArm('a', a), anArm('b', b)]
        const next = assign(pool, arms)
        for (const [name, backend] of Object.entries(pool.backends)) {
          backend.slots.forEach((slot, index) => {
            if (slot) expect(next.backends[name]?.slots[index]?.instance).toEqual(slot.instance)
          })
        }
        for (const arm of arms) {
          const slots = next.backends[backendOf(next, arm.id) ?? '']?.slots ?? []
          expect(slots.flatMap((slot) => (slot?.ready ? [slot.instance] : [])).toSorted()).toEqual(arm.targets.map((target) => target.instance).toSorted())
        }
        pool = release(next, () => !free)
      }
    }),
  )
})
