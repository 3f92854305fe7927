import { expect, test } from 'vitest'
import { anEnvironment } from '../../../test/support/builders.ts'
import type { EnvironmentName } from '../app/app.ts'
import { targetOf } from './target.ts'

const environments = [
  anEnvironment({ id: 'e-1', name: 'releases' as EnvironmentName, branch: 'release/*', createdAt: 1 }),
  anEnvironment({ id: 'e-2', name: 'next' as EnvironmentName, branch: 'release/next', createdAt: 2 }),
  anEnvironment({ id: 'e-3', branch: 'main', tags: 'v*', createdAt: 3 }),
  anEnvironment({ id: 'e-4', branch: 'gone', createdAt: 4, removedAt: 5 }),
]

test.each([
  ['refs/heads/main', 'e-3'],
  ['refs/heads/release/1.2', 'e-1'],
  ['refs/heads/release/next', 'e-2'],
  ['refs/tags/v1.2', 'e-3'],
  ['refs/tags/nightly', undefined],
  ['refs/heads/feature/x', undefined],
  ['refs/heads/gone', undefined],
  ['refs/heads/v1', undefined],
  ['refs/lockgate/pushes/1', undefined],
])('%s goes to %s', (ref, id) => {
  expect(targetOf(environments, ref)?.id).toBe(id)
})
