// How a deployment moves: what people write, and what it comes to.
import { z } from 'zod'
import { duration } from '../../lib/duration.ts'
import type { Sticky } from '../route/route.ts'

export const STRATEGY_KINDS = ['auto', 'rolling', 'blue-green', 'recreate', 'canary'] as const

/** One instance after another, or `surge` at a time beside the old ones. 0: one stops before one starts. */
export interface Rolling {
  readonly kind: 'rolling'
  readonly surge: number
}

/** The whole new set beside the old one, then one switch. */
export interface BlueGreen {
  readonly kind: 'blue-green'
}

/** All old instances leave before the new ones come: never two releases at once. Requests wait in the edge meanwhile. */
export interface Recreate {
  readonly kind: 'recreate'
  /** How long a request may wait before its visitor is told; 0: not at all. */
  readonly holdMs: number
}

/** The new set beside the old one gets a growing share of the requests, and is compared with the old one at each. */
export interface Canary {
  readonly kind: 'canary'
  /** Percentages, growing, each below 100: then the switch. */
  readonly steps: readonly number[]
  /** How long each share is watched. */
  readonly soakMs: number
  /** Fewer requests than this in a soak are too few for a verdict: a person is asked. */
  readonly leastRequests: number
  readonly sticky: Sticky
}

/** A strategy with `auto` decided. */
export type ResolvedStrategy = Rolling | BlueGreen | Recreate | Canary

/** As an environment keeps it: `auto` is decided by the count of the moment. */
export type Strategy = ResolvedStrategy | { readonly kind: 'auto'; readonly surge: number }

export const DEFAULT_STRATEGY: Strategy = { kind: 'auto', surge: 1 }
const DEFAULT_HOLD_MS = 30_000
const DEFAULT_STEPS = [5, 25, 50]
const DEFAULT_SOAK_MS = 60_000
const DEFAULT_LEAST = 50

const HeaderName = z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'the name of a header')

/** What people write of a strategy, in `lockgate.yaml`, in the API, on the command line. */
export const StrategyWords = z
  .strictObject({
    kind: z.enum(STRATEGY_KINDS).default('auto').describe('auto: blue-green for one instance, rolling for more'),
    surge: z.int().min(0).max(32).optional().describe('rolling: how many new instances start before as many old ones stop; 0 stops first; default 1'),
    hold: duration('0s', '10m')
      .optional()
      .describe('recreate: how long a request may wait in the edge while nothing runs, before its visitor is told; default 30s, 0s: not at all'),
    steps: z
      .array(z.int().min(1).max(99))
      .min(1)
      .max(10)
      .refine((steps) => steps.every((percent, at) => at === 0 || percent > (steps[at - 1] ?? 0)), 'each share is greater than the one before')
      .optional()
      .describe('canary: the shares of the requests, in percent; default [5, 25, 50], then all'),
    soak: duration('100ms', '24h').optional().describe('canary: how long each share is watched; default 1m'),
    least: z.int().min(1).max(1_000_000).optional().describe('canary: fewer requests than this are too few for a verdict, and a person is asked; default 50'),
    sticky: z
      .union([z.enum(['none', 'cookie']), z.strictObject({ header: HeaderName })])
      .optional()
      .describe('canary: who sees the new release. none: drawn for each request; cookie: for each visitor; header: by the value of this header. Default none'),
  })
  .superRefine((words, context) => {
    const own = OWN_WORDS[words.kind]
    for (const word of Object.keys(words)) {
      if (word === 'kind' || own.includes(word)) continue
      const owner = STRATEGY_KINDS.find((kind) => kind !== 'auto' && OWN_WORDS[kind].includes(word))
      context.addIssue({ code: 'custom', path: [word], message: `this belongs to the strategy ${owner}, and this one is ${words.kind}` })
    }
  })
  .transform(strategyOf)
  .describe('How a deployment moves')

const OWN_WORDS: Readonly<Record<(typeof STRATEGY_KINDS)[number], readonly string[]>> = {
  auto: ['surge'],
  rolling: ['surge'],
  'blue-green': [],
  recreate: ['hold'],
  canary: ['steps', 'soak', 'least', 'sticky'],
}

interface Words {
  readonly kind: Strategy['kind']
  readonly surge?: number | undefined
  readonly hold?: number | undefined
  readonly steps?: readonly number[] | undefined
  readonly soak?: number | undefined
  readonly least?: number | undefined
  readonly sticky?: 'none' | 'cookie' | { readonly header: string } | undefined
}

/** The strategy that words stand for, with their defaults. */
export function strategyOf(words: Words): Strategy {
  switch (words.kind) {
    case 'auto':
    case 'rolling':
      return { kind: words.kind, surge: words.surge ?? 1 }
    case 'blue-green':
      return { kind: 'blue-green' }
    case 'recreate':
      return { kind: 'recreate', holdMs: words.hold ?? DEFAULT_HOLD_MS }
    case 'canary':
      return {
        kind: 'canary',
        steps: words.steps ?? DEFAULT_STEPS,
        soakMs: words.soak ?? DEFAULT_SOAK_MS,
        leastRequests: words.least ?? DEFAULT_LEAST,
        sticky: stickyOf(words.sticky),
      }
  }
}

function stickyOf(words: Words['sticky']): Sticky {
  if (words === undefined || words === 'none') return { by: 'request' }
  return words === 'cookie' ? { by: 'cookie' } : { by: 'header', name: words.header.toLowerCase() }
}

/**
 * The strategy of one deployment. `auto`: one instance is replaced as a whole, several one after another. Only what brings a
 * new release is tried on a share: going back, and all other verbs, take the whole set at once.
 */
export function resolveStrategy(strategy: Strategy, deployment: { readonly count: number; readonly bringsNew: boolean }): ResolvedStrategy {
  if (strategy.kind === 'auto') return deployment.count > 1 ? { kind: 'rolling', surge: strategy.surge } : { kind: 'blue-green' }
  return strategy.kind === 'canary' && !deployment.bringsNew ? { kind: 'blue-green' } : strategy
}

/** Addresses of an environment's network that instances may have. */
export const INSTANCE_ADDRESSES = 52

/** How many instances an environment may have, so that a deployment finds an address for every new one beside the old ones. */
export function mostInstances(strategy: ResolvedStrategy, most: number): number {
  switch (strategy.kind) {
    case 'rolling':
      return Math.min(most, INSTANCE_ADDRESSES - strategy.surge)
    case 'recreate':
      return most
    case 'blue-green':
    case 'canary':
      return Math.min(most, Math.floor(INSTANCE_ADDRESSES / 2))
  }
}

/** Why an environment cannot have `count` instances, where its network allows `most`: for people, without a full stop. */
export function tooManyInstances(count: number, kind: string, most: number): string {
  return `${count} instances by ${kind} need more addresses than the network of an environment has: ${most} at most. Use the strategy rolling ("lockgate environment set --strategy rolling"), or fewer instances`
}

/** `canary 5, 25, 50 %, 1 m each`: for people. */
export function strategyText(strategy: Strategy): string {
  switch (strategy.kind) {
    case 'auto':
      return 'auto'
    case 'rolling':
      return `rolling, surge ${strategy.surge}`
    case 'blue-green':
      return 'blue-green'
    case 'recreate':
      return strategy.holdMs === 0 ? 'recreate, nothing held' : `recreate, requests held up to ${strategy.holdMs / 1000} s`
    case 'canary':
      return `canary ${strategy.steps.join(', ')} %, ${strategy.soakMs / 1000} s each${strategy.sticky.by === 'request' ? '' : `, by ${strategy.sticky.by}`}`
  }
}
