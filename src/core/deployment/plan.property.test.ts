import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Arm } from '../environment/environment.ts'
import { plan, repairs } from './plan.ts'
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

const strategy: fc.Arbitrary<World['strategy']> = fc.oneof(
  fc.record({ kind: fc.constant('rolling' as const), surge: fc.integer({ min: 0, max: 3 }) }),
  fc.constant({ kind: 'blue-green' as const }),
  fc.record({ kind: fc.constant('recreate' as const), holdMs: fc.constantFrom(0, 30_000) }),
  fc.record({
    kind: fc.constant('canary' as const),
    steps: fc.constantFrom([5], [5, 25, 50], [50, 99]),
    soakMs: fc.constant(60_000),
    leastRequests: fc.constant(50),
    sticky: fc.constant({ by: 'request' as const }),
  }),
)

const world: fc.Arbitrary<World> = fc.record({
  wanted: fc.option(fc.record({ set: fc.integer({ min: 1, max: 4 }), count: fc.integer({ min: 1, max: 4 }) }), { nil: null }),
  strategy,
  liveArm: arm,
  liveArmConfirmed: fc.boolean(),
  share: fc.constantFrom(0, 0, 5, 25, 99),
  soaked: fc.constantFrom(0, 5, 25, 50),
  holds: fc.boolean(),
  instances: fc
    .uniqueArray(instance, { maxLength: 8, selector: (one) => `${one.set}-${one.ordinal}` })
    .map((list) => list.map((one) => ({ ...one, ready: one.ready && one.container === 'running' }))),
  once: fc.constantFrom<World['once']>([], ['check'], ['check', 'release-command'], ['release-command']),
})

/** The world as it was for a healthy set that serves. */
const healthy = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    strategy,
    inFlight: fc.constantFrom(0, 2, null),
  })
  .map(
    ({ count, strategy, inFlight }): World => ({
      wanted: { set: 2, count },
      strategy,
      liveArm: 'blue',
      liveArmConfirmed: true,
      share: 0,
      soaked: 0,
      holds: false,
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

function isServing(one: InstanceView, state: World): boolean {
  return one.container === 'running' && one.ready && one.traffic === 'in' && !one.unconfirmed && (one.arm === state.liveArm || state.share > 0)
}

function serving(state: World): number {
  return state.instances.filter((one) => isServing(one, state)).length
}

/** How many may be missing on the way: one where stopping first was asked, all where nothing may run beside the old ones. */
function mayMiss({ strategy }: World, count: number): number {
  if (strategy.kind === 'recreate') return count
  return strategy.kind === 'rolling' && strategy.surge === 0 ? 1 : 0
}

/** The world after a step did what it says. */
function after(state: World, done: Step): World {
  switch (done.kind) {
    case 'check':
    case 'release-command':
      return { ...state, once: state.once.slice(1) }
    case 'switch':
      return { ...state, liveArm: done.arm ?? state.liveArm, liveArmConfirmed: true, share: 0 }
    case 'shift-traffic':
      return { ...state, share: done.percent ?? 0, liveArmConfirmed: true }
    case 'soak':
      return { ...state, soaked: done.percent ?? 0 }
    case 'hold':
      return { ...state, holds: true }
    case 'end-hold':
      return { ...state, holds: false }
    default:
      return afterInstance(state, done, done.kind)
  }
}

function afterInstance(state: World, done: Step, kind: 'update' | 'start' | 'resume-traffic' | 'stop-traffic' | 'stop' | 'remove'): World {
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
  if (kind === 'remove') {
    const isWanted = state.wanted !== null && done.set === state.wanted.set && done.ordinal < state.wanted.count
    return { ...state, instances: isWanted ? [...rest, blank] : rest }
  }
  const changed: Partial<InstanceView> = {
    update: { container: 'created' as const, ready: false, faulty: false },
    start: { container: 'running' as const, ready: true },
    'resume-traffic': { traffic: 'in' as const, unconfirmed: false, arm: done.arm ?? was.arm },
    'stop-traffic': { traffic: 'out' as const, unconfirmed: false, inFlight: 0 },
    stop: { container: 'exited' as const, ready: false },
  }[kind]
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
      expect([end.share, end.holds]).toEqual([0, false])
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
          if (target?.traffic === 'out' && target.container === 'running') expect(target.inFlight).toBe(0)
        }
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a served set is never removed: as many serve on the way as before, one less only where stopping first was asked', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      const least = serving(start) - mayMiss(start, serving(start))
      for (const state of run(start)) expect(serving(state)).toBeGreaterThanOrEqual(least)
    }),
  )
})

test('rolling never runs more than surge instances beyond the count', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      const { strategy } = start
      if (strategy.kind !== 'rolling') return
      for (const state of run(start)) {
        const running = state.instances.filter((one) => one.container === 'running').length
        expect(running).toBeLessThanOrEqual((start.wanted?.count ?? 0) + strategy.surge)
      }
    }),
  )
})

test('going back from any point of a deployment restores the old set without a gap', () => {
  fc.assert(
    fc.property(healthy, fc.nat(), (start, pick) => {
      const worlds = run(start)
      const middle = worlds[pick % worlds.length] ?? start
      const back: World = { ...middle, soaked: 0, wanted: { set: 1, count: start.wanted?.count ?? 1 }, once: [] }
      const floor = serving(middle) - mayMiss(start, serving(middle))
      const least = Math.min(floor, back.wanted?.count ?? 0)
      const way = run(back)
      for (const state of way) expect(serving(state)).toBeGreaterThanOrEqual(least)
      expect(serving(way.at(-1) ?? back)).toBe(back.wanted?.count)
    }),
  )
})

test('recreate never runs two releases at once, and holds requests from before the first leaves until the last has come', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      if (start.strategy.kind !== 'recreate') return
      for (const state of run(start)) {
        const sets = new Set(state.instances.filter((one) => one.container === 'running').map((one) => one.set))
        expect(sets.size).toBeLessThanOrEqual(1)
        if (start.strategy.holdMs > 0 && serving(state) < serving(start)) expect(state.holds).toBe(true)
      }
    }),
  )
})

test('a canary is watched at every share, each greater than the one before, before all goes to it', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      const { strategy } = start
      if (strategy.kind !== 'canary') return
      const shares = run(start).map((state) => [state.share, state.soaked] as const)
      for (const percent of strategy.steps) expect(shares).toContainEqual([percent, percent])
      const growing = shares.map(([share]) => share).filter((share) => share > 0)
      expect(growing).toEqual(growing.toSorted((a, b) => a - b))
    }),
  )
})

test('a share is given back before anything else moves when another set is wanted', () => {
  fc.assert(
    fc.property(healthy, fc.nat(), (start, pick) => {
      const shared = run(start).filter((state) => state.share > 0)
      const middle = shared[pick % Math.max(1, shared.length)]
      if (middle === undefined) return
      const first = plan({ ...middle, wanted: { set: 1, count: start.wanted?.count ?? 1 }, once: [] }).batches[0]?.lanes[0]?.[0]
      expect([first?.kind, first?.percent]).toEqual(['shift-traffic', 0])
    }),
  )
})

test('what stands still comes again where it got requests, and nothing is stopped for it', () => {
  fc.assert(
    fc.property(world, (start) => {
      for (const lane of repairs(start)?.lanes ?? []) {
        for (const step of lane) expect(['update', 'start']).toContain(step.kind)
        const target = start.instances.find((one) => one.set === lane[0]?.set && one.ordinal === lane[0]?.ordinal)
        expect([target?.traffic, target?.container === 'running']).toEqual(['in', false])
      }
    }),
  )
})

test('a moment in which the edge has yet to confirm makes no canary skip its shares, and no blue-green its switch', () => {
  fc.assert(
    fc.property(healthy, (start) => {
      if (start.strategy.kind !== 'canary' && start.strategy.kind !== 'blue-green') return
      const unconfirmed = { ...start, liveArmConfirmed: false, instances: start.instances.map((one) => ({ ...one, unconfirmed: true })) }
      const kinds = (of: World): string[] => plan(of).batches.flatMap((batch) => batch.lanes.flat().map((step) => `${step.kind} ${step.percent ?? ''}`))
      const moves = (of: World): string[] => kinds(of).filter((kind) => /^(shift|soak|switch)/.test(kind))
      expect(moves(unconfirmed)).toEqual(moves(start))
    }),
  )
})
