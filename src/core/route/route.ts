import { z } from 'zod'
import type { Protocol } from '../artifact/artifact.ts'

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'

/** A hostname, or `*.` and a hostname: letters, digits and hyphens, lower case, no port (LDH). */
export const HostName = z
  .string()
  .max(253, 'a hostname has at most 253 characters')
  .regex(new RegExp(`^(\\*\\.)?(${LABEL}\\.)*${LABEL}$`), 'a hostname has only a-z, 0-9, "-" and dots; a wildcard is *. at the start')
  .brand<'HostName'>()
  .describe('Hostname, or a wildcard such as *.example.net')
export type HostName = z.infer<typeof HostName>

/** A path prefix: `/`, or `/api` without a slash at the end. */
export const PathPrefix = z
  .string()
  .max(200)
  .regex(/^\/([A-Za-z0-9._~-]+(\/[A-Za-z0-9._~-]+)*)?$/, 'a path prefix is / or like /api/v1, without a slash at its end')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'a path prefix is / or like /api/v1, without "." and ".."')
  .brand<'PathPrefix'>()
  .describe('Path prefix')
export type PathPrefix = z.infer<typeof PathPrefix>

/** A hostname and path that belong to one environment; unique in the installation. */
export interface Domain {
  readonly host: HostName
  readonly path: PathPrefix
  readonly environmentId: string
  readonly projectId: string
  /** generated: given with the environment; own: added by a person. */
  readonly kind: 'generated' | 'own'
  readonly createdAt: number
}

/** One server of an arm. `ready: false` keeps it named, for counting, and out of new requests. */
export interface RouteTarget {
  readonly instance: string
  readonly address: string
  readonly port: number
  readonly ready: boolean
}

/** One of the two server groups of an environment. */
export interface RouteArm {
  /** `<environment id>/blue` or `/green`. */
  readonly id: string
  readonly protocol: Protocol
  readonly targets: readonly RouteTarget[]
}

/** Hostname and path to an environment. */
export interface Route {
  readonly host: string
  readonly path: string
  readonly environmentId: string
}

/** What visitors are told while no instance is ready. */
export interface StatePage {
  /** `stopped`, `starting`, `crash looping` ... */
  readonly state: string
  readonly sentence: string
  readonly retryAfterSeconds: number
}

/** Everything every edge should serve. Sorted, so that equal tables are equal texts. */
export interface RoutingTable {
  readonly generation: number
  readonly routes: readonly Route[]
  readonly arms: readonly RouteArm[]
  /** By environment id. */
  readonly environments: Readonly<Record<string, EnvironmentTraffic>>
}

export interface EnvironmentTraffic {
  /** `shop` or `shop (staging)`: on pages and in logs. */
  readonly title: string
  readonly page: StatePage
  readonly requestTimeoutMs: number
  /** Id of the arm that gets its requests. */
  readonly stable: string
  /** A share of the requests goes to the other arm; null: none. */
  readonly candidate: Candidate | null
  /** Requests wait inside the edge instead of being sent on; null: they do not. */
  readonly hold: Hold | null
  /**
   * Requests that find no instance wait so many milliseconds at most for one that is being brought back, from when the edge first
   * found none; from then on they get the page at once. 0: nothing is being brought back.
   */
  readonly repairMs: number
}

/** What makes the requests of one visitor go to the same arm. */
export type Sticky = { readonly by: 'request' } | { readonly by: 'cookie' } | { readonly by: 'header'; readonly name: string }

/** The share of a canary. Of sticky visitors a greater percentage only adds some: nobody is sent back by it. */
export interface Candidate {
  /** Id of the arm. While none of its servers is ready everything goes to stable. */
  readonly arm: string
  /** Of 100; above 0. */
  readonly percent: number
  readonly sticky: Sticky
  /** Differs for every deployment: its visitors are drawn anew. `^[a-z0-9_]{1,40}$` */
  readonly salt: string
}

/** Requests wait at most `boundMs` from when the edge first held one of this token; from then on they get the page at once. */
export interface Hold {
  readonly boundMs: number
  /** Differs for every hold. `^[a-z0-9_]{1,40}$` */
  readonly token: string
}

const WORD = /^[a-z0-9_]{1,40}$/
const HEADER = /^[A-Za-z0-9-]{1,64}$/

/** What of a share or a hold no edge can serve, or null when all is well-formed. */
export function malformedTraffic({ candidate, hold }: Pick<EnvironmentTraffic, 'candidate' | 'hold'>): string | null {
  if (hold && !(hold.boundMs > 0)) return `a hold of ${hold.boundMs} ms`
  if (hold && !WORD.test(hold.token)) return `the hold ${JSON.stringify(hold.token)}`
  if (!candidate) return null
  if (!(candidate.percent > 0 && candidate.percent <= 100)) return `a share of ${candidate.percent} percent`
  if (!WORD.test(candidate.salt)) return `the salt ${JSON.stringify(candidate.salt)}`
  if (candidate.sticky.by === 'header' && !HEADER.test(candidate.sticky.name)) return `the header ${JSON.stringify(candidate.sticky.name)}`
  return null
}
