import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Arm } from '../environment/environment.ts'
import { plan } from './plan.ts'
import type { Step } from './step.ts'
import type { InstanceView, World } from './world.ts'

const arm = fc.constantFrom<Arm>('blue', 'green')

const instance = fc.record({
  set: fc.integer({ min: 1, max: 3 }),
  ordinal: fc.integer({ min: 0, max: 3 }),
  arm,
  container: fc.constantFrom<InstanceView['container']>('absent', 'created', 'running', 'exited'),
  ready: fc.boolean(),
  traffic: fc.constantFrom<InstanceView['traffic']>('none', 'in', 'out'),
  unconfirmed: fc.boolean(),
  inFlight: fc.constantFrom(0, 3, null),
  faulty: fc.boolean(),
})

const world: fc.Arbitrary<World> = fc.record({
  wanted: fc.option(fc.record({ set: fc.integer({ min: 1, max: 4 }), count: fc.integer({ min: 1, max: 4 }) }), { nil: null }),
  strategy: fc.record({ kind: fc.constantFrom('rolling' as const, 'blue-green' as const), surge: fc.integer({ min: 0, max: 3 }) }),
  liveArm: arm,
  liveArmConfirmed: fc.boolean(),
  instances: fc
    .uniqueArray(instance, { maxLength: 8, selector: (one) => `${one.set}-${one.ordinal}` })
    .map((list) => list.map((one) => ({ ...one, ready: one.ready && one.container === 'running' }))),
  once: fc.constantFrom<World['once']>([], ['check'], ['check', 'release-command'], ['release-command']),
})

/** The world as it was for a healthy set that serves. */
const healthy = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom('rolling' as const, 'blue-green' as const),
    surge: fc.integer({ min: 0, max: 3 }),
    inFlight: fc.constantFrom(0, 2, null),
  })
  .map(
    ({ count, kind, surge, inFlight }): World => ({
      wanted: { set: 2, count },
      strategy: { kind, surge },
      liveArm: 'blue',
      liveArmConfirmed: true,
      once: ['check'],
      instances: Array.from(
        { length: count },
        (_, ordinal): InstanceView => ({
          set: 1,
          ordinal,
          arm: 'blue',
          container: 'running',
          ready: true,
          traffic: 'in',
          unconfirmed: false,
          inFlight,
          faulty: false,
        }),
      ),
    }),
  )

function serving(state: World): number {
  return state.instances.filter((one) => one.container === 'running' && one.ready && one.traffic === 'in' && !one.unconfirmed && one.arm === state.liveArm)
    .length
}

/** The world after a step did what it says. */
function after(state: World, done: Step): World {
  if (done.kind === 'check' || done.kind === 'release-command') return { ...state, once: state.once.slice(1) }
  if (done.kind === 'switch') return { ...state, liveArm: done.arm ?? state.liveArm, liveArmConfirmed: true }
  const here = state.instances.find((one) => one.set === done.set && one.ordinal === done.ordinal)
  const rest = state.instances.filter((one) => one !== here)
  const blank: InstanceView = {
    set: done.set,
    ordinal: done.ordinal,
    arm: done.arm ?? 'blue',
    container: 'absent',
    ready: false,
    traffic: 'none',
    unconfirmed: false,
    inFlight: 0,
    faulty: false,
  }
  const was = here ?? blank
  if (done.kind === 'remove') {
    const isWanted = state.wanted !== null && done.set === state.wanted.set && done.ordinal < state.wanted.count
    return { ...state, instances: isWanted ? [...rest, blank] : rest }
  }
  const changed: Partial<InstanceView> = {
    update: { container: 'created' as const, ready: false, faulty: false },
    start: { container: 'running' as const, ready: true },
    'resume-traffic': { traffic: 'in' as const, unconfirmed: false, arm: done.arm ?? was.arm },
    'stop-traffic': { traffic: 'out' as const, unconfirmed: false, inFlight: 0 },
    stop: { container: 'exited' as const, ready: false },
  }[done.kind]
  return { ...state, instances: [...rest, { ...was, ...changed }] }
}

/** Runs a plan to its end, planning anew after each round; gives every world on the way. */
function run(start: World): World[] {
  const worlds = [start]
  let state = start
  for (let round = 0; round < 200; round++) {
    const first = plan(state).batches[0]
    if (!first) return worlds
    for (const lane of first.lanes) {
      const step = lane[0]
      if (!step) continue
      state = after(state, step)
      worlds.push(state)
    }
  }
  throw new Error(`no end: ${JSON.stringify(plan(state))}`)
}

test('a plan ends, and then the world is as wished', () => {
  fc.assert(
    fc.property(world, (start) => {
      const end = run(start).at(-1) ?? start
      const left = end.instances.filter((one) => one.container !== 'absent')
      expect(left.every((one) => end.wanted !== null && one.set === end.wanted.set && one.ordinal < end.wanted.count)).toBe(true)
      expect(serving(end)).toBe(end.wanted?.count ?? 0)
    }),
    { numRuns: 2_000 },
  )
})

test('planning twice gives the same, whatever the order the instances come in', () => {
  fc.assert(
    fc.property(world, (start) => {
      expect(plan(start)).toEqual(plan({ ...start, instances: start.instances.toReversed() }))
    }),
    { numRuns: 2_000 },
  )
})

test('nothing that gets requests or still answers some is stopped or removed', () => {
  fc.assert(
    fc.property(world, (start) => {
      for (const state of run(start)) {
        for (const lane of plan(state).batches[0]?.lanes ?? []) {
          const step = lane[0]
          if (step?.kind !== 'stop' && step?.kind !== 'remove') continue
          const target = state.instances.find((one) => one.set === step.set && one.ordinal === step.ordinal)
          expect(target?.traffic === 'in' || target?.unconfirmed, step.key).toBe(false)
          if (target?.traffic === 'out') expect(target.inFlight).toBe(0)
        }
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a served set is never removed: as many serve on the way as before, one less only where stopping first was asked', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      const least = start.strategy.kind === 'rolling' && start.strategy.surge === 0 ? serving(start) - 1 : serving(start)
      for (const state of run(start)) expect(serving(state)).toBeGreaterThanOrEqual(least)
    }),
  )
})

test('rolling never runs more than surge instances beyond the count', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      if (start.strategy.kind !== 'rolling') return
      for (const state of run(start)) {
        const running = state.instances.filter((one) => one.container === 'running').length
        expect(running).toBeLessThanOrEqual((start.wanted?.count ?? 0) + start.strategy.surge)
      }
    }),
  )
})

test('going back from any point of a deployment restores the old set without a gap', () => {
  fc.assert(
    fc.property(healthy, fc.nat(), (start, pick) => {
      const worlds = run(start)
      const middle = worlds[pick % worlds.length] ?? start
      const back: World = { ...middle, wanted: { set: 1, count: start.wanted?.count ?? 1 }, once: [] }
      const floor = start.strategy.kind === 'rolling' && start.strategy.surge === 0 ? serving(middle) - 1 : serving(middle)
      const least = Math.min(floor, back.wanted?.count ?? 0)
      const way = run(back)
      for (const state of way) expect(serving(state)).toBeGreaterThanOrEqual(least)
      expect(serving(way.at(-1) ?? back)).toBe(back.wanted?.count)
    }),
  )
})
