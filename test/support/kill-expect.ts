// What has to have held while the server was killed.
import { expect } from 'vitest'
import { formatReport } from './disruption/index.ts'
import type { Report } from './disruption/types.ts'
import type { KillCase } from './kill-cases.ts'
import type { Watched } from './watcher.ts'

/** Of an app: which version of it answers, and how many instances it has. */
export interface State {
  readonly version: string
  readonly count: number
}

/** I4 and I9: never fewer than there have to be; no older version after a newer one, where there is one switch. */
export function expectSteady(across: { readonly one: KillCase; readonly before: State; readonly after: State }, watched: Watched): void {
  const { one, before, after } = across
  if (one.verb === 'stop' || one.verb === 'start') return
  const least = one.strategy === 'recreate' ? 0 : Math.min(before.count, after.count)
  expect(watched.fewest, 'instances that were up').toBeGreaterThanOrEqual(least)
  if (one.strategy !== 'blue-green' && one.strategy !== 'recreate') return
  expect(watched.versions).toEqual(before.version === after.version ? [before.version] : [before.version, after.version])
}

/** No request failed; while an app is stopped visitors get our page, and nothing else. */
export function expectUndisturbed({ verb }: KillCase, report: Report): void {
  const reasons = Object.values(report.kinds).flatMap((kind) => Object.keys(kind.reasons))
  const allowed = verb === 'stop' || verb === 'start' ? ['status 503'] : []
  expect(
    reasons.filter((reason) => !allowed.includes(reason)),
    formatReport(report),
  ).toEqual([])
}
