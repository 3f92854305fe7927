import { expect, test } from 'vitest'
import { anEnvironment } from '../../../test/support/builders.ts'
import { ROLES, type Role } from '../actor/actor.ts'
import type { EnvironmentName } from '../app/app.ts'
import { losingItsName, type Origin } from './refs.ts'

const COMMIT = 'a'.repeat(40)
const OTHER = 'b'.repeat(40)
const holder = (role: Role) => ({ kind: 'token', id: 'k-1', name: role, role, projectId: 'p-1' }) as const

function origin(name: string, ref: string | null): Origin {
  return {
    environment: anEnvironment({ name: name as EnvironmentName, trust: name === 'production' ? 'protected' : 'ordinary' }),
    artifact: { commitId: COMMIT },
    ref,
  }
}

interface Case {
  readonly place?: string
  /** What the release was built for. */
  readonly built: string
  readonly ref: string
  /** What the ref names before. */
  readonly commitId?: string
  readonly after?: string
  readonly allowed: readonly Role[]
}

/** Who may do it to a ref when production (or staging) runs COMMIT. */
const CASES: Readonly<Record<string, Case>> = {
  'delete the tag it was built for': { built: 'refs/tags/v1', ref: 'refs/tags/v1', allowed: ['releaser', 'admin'] },
  'move the tag it was built for': { built: 'refs/tags/v1', ref: 'refs/tags/v1', after: OTHER, allowed: ['releaser', 'admin'] },
  'delete another tag of its commit': { built: 'refs/heads/main', ref: 'refs/tags/v1', allowed: ['releaser', 'admin'] },
  'delete a tag of another commit': { built: 'refs/heads/main', ref: 'refs/tags/v0', commitId: OTHER, allowed: ROLES },
  'delete the branch it was built for': { built: 'refs/heads/fix', ref: 'refs/heads/fix', commitId: OTHER, allowed: ['releaser', 'admin'] },
  'push on to the branch it was built for': { built: 'refs/heads/fix', ref: 'refs/heads/fix', after: OTHER, allowed: ROLES },
  'delete a branch at its commit': { built: 'refs/heads/main', ref: 'refs/heads/fix', allowed: ROLES },
  'delete the tag that staging was built for': {
    place: 'staging',
    built: 'refs/tags/v1',
    ref: 'refs/tags/v1',
    allowed: ['developer', 'releaser', 'admin'],
  },
}

test.each(Object.entries(CASES))('%s', (_what, { place = 'production', built, ref, commitId = COMMIT, after = null, allowed }) => {
  const mayDo = (role: Role): boolean => losingItsName([origin(place, built)], { ref, before: OTHER, after, commitId }, holder(role)) === null

  // A viewer is refused at the door of git; asked here it may do what takes no right.
  expect(ROLES.filter(mayDo)).toEqual(allowed)
})

test('a ref that is new takes the name of nothing', () => {
  const change = { ref: 'refs/tags/v1', before: null, after: COMMIT, commitId: null }

  expect(losingItsName([origin('production', 'refs/tags/v1')], change, holder('developer'))).toBeNull()
})
