// Which arm a request goes to when a share of them goes to the candidate. The same rules as in the Lua of HAProxy.
import { createHash, randomInt } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Candidate, EnvironmentTraffic } from '../../../core/route/route.ts'

export interface Way {
  /** Arm id. */
  readonly arm: string
  /** A cookie the visitor is given, so that the next request goes the same way. */
  readonly cookie: string | null
}

const BUCKETS = 10_000

/** `hasReady`: whether any server of an arm takes requests; a candidate without one gets none. */
export function wayOf(traffic: EnvironmentTraffic, headers: IncomingHttpHeaders, hasReady: (arm: string) => boolean): Way {
  const { candidate, stable } = traffic
  if (!candidate || !hasReady(candidate.arm)) return { arm: stable, cookie: null }
  const { bucket, cookie } = bucketOf(candidate, headers)
  return { arm: bucket < Math.round(candidate.percent * 100) ? candidate.arm : stable, cookie }
}

function bucketOf({ sticky, salt }: Candidate, headers: IncomingHttpHeaders): { readonly bucket: number; readonly cookie: string | null } {
  if (sticky.by === 'request') return { bucket: randomInt(BUCKETS), cookie: null }
  if (sticky.by === 'header') {
    const value = headers[sticky.name.toLowerCase()]
    // Who does not say who they are cannot be kept on one side: they come last, with 100 percent.
    if (value === undefined || value === '') return { bucket: BUCKETS - 1, cookie: null }
    return { bucket: createHash('sha256').update(`${value}${salt}`).digest().readUInt32BE(0) % BUCKETS, cookie: null }
  }
  const given = /(?:^|;\s*)lockgate_canary=(\d{1,4})-([a-z0-9_]+)/.exec(headers.cookie ?? '')
  if (given?.[2] === salt) return { bucket: Number(given[1]), cookie: null }
  const bucket = randomInt(BUCKETS)
  return { bucket, cookie: `lockgate_canary=${bucket}-${salt}; Path=/; HttpOnly; SameSite=Lax` }
}
