import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aBuild } from '../../../test/support/builders.ts'
import { nextBuilds, type Yard } from './queue.ts'

const yard = (said: Partial<Yard> = {}): Yard => ({ running: [], slots: 2, lastBegun: new Map(), productionIds: new Set(), now: 1_000, ...said })
const ids = (builds: readonly { readonly id: string }[]) => builds.map((build) => build.id)

test('the oldest begins first, as many as there is room for', () => {
  const queued = [
    aBuild({ id: 'b-2', appId: 'a-2', createdAt: 20 }),
    aBuild({ id: 'b-1', appId: 'a-1', createdAt: 10 }),
    aBuild({ id: 'b-3', appId: 'a-3', createdAt: 30 }),
  ]

  expect(ids(nextBuilds(queued, yard()))).toEqual(['b-1', 'b-2'])
  expect(ids(nextBuilds(queued, yard({ running: [{ appId: 'a-9' }] })))).toEqual(['b-1'])
})

test('production goes before a build that is older', () => {
  const queued = [
    aBuild({ id: 'b-1', appId: 'a-1', environmentId: 'e-staging', createdAt: 10 }),
    aBuild({ id: 'b-2', appId: 'a-2', environmentId: 'e-production', createdAt: 20 }),
  ]

  expect(ids(nextBuilds(queued, yard({ slots: 1, productionIds: new Set(['e-production']) })))).toEqual(['b-2'])
})

test('what waited five minutes is as urgent as production', () => {
  const queued = [
    aBuild({ id: 'b-1', appId: 'a-1', environmentId: 'e-staging', createdAt: 10 }),
    aBuild({ id: 'b-2', appId: 'a-2', environmentId: 'e-production', createdAt: 200_000 }),
  ]

  expect(ids(nextBuilds(queued, yard({ slots: 1, productionIds: new Set(['e-production']), now: 300_010 })))).toEqual(['b-1'])
})

test('an app that builds all day does not keep another waiting', () => {
  const queued = [aBuild({ id: 'b-1', appId: 'a-busy', createdAt: 10 }), aBuild({ id: 'b-2', appId: 'a-rare', createdAt: 20 })]

  expect(
    ids(
      nextBuilds(
        queued,
        yard({
          slots: 1,
          lastBegun: new Map([
            ['a-busy', 900],
            ['a-rare', 100],
          ]),
        }),
      ),
    ),
  ).toEqual(['b-2'])
})

test('one build of an app at a time, and never more than there is room for', () => {
  const build = fc.record({ id: fc.uuid(), appId: fc.constantFrom('a-1', 'a-2', 'a-3'), createdAt: fc.integer({ min: 0, max: 1_000 }) })
  fc.assert(
    fc.property(fc.uniqueArray(build, { selector: (one) => one.id }), fc.integer({ min: 1, max: 4 }), fc.constantFrom('a-1', 'a-4'), (list, slots, busy) => {
      const chosen = nextBuilds(
        list.map((one) => aBuild(one)),
        yard({ slots, running: [{ appId: busy }] }),
      )
      const apps = chosen.map((one) => one.appId)
      expect(new Set(apps).size).toBe(apps.length)
      expect(apps).not.toContain(busy)
      expect(chosen.length).toBe(Math.min(Math.max(slots - 1, 0), new Set(list.map((one) => one.appId).filter((app) => app !== busy)).size))
    }),
  )
})
