import { expect, test } from 'vitest'
import { anArtifact, aRelease } from '../../../test/support/builders.ts'
import { KEPT_ARTIFACTS, unneeded } from './retention.ts'

const ARTIFACTS = Array.from({ length: 8 }, (_, at) => anArtifact({ id: `t-${at + 1}` }))
const RELEASES = ARTIFACTS.map((artifact, at) => aRelease({ id: `r-${at + 1}`, number: at + 1, artifactId: artifact.id }))

function names(needs: Parameters<typeof unneeded>[1], artifacts = ARTIFACTS): string[] {
  return unneeded(artifacts, needs).map((artifact) => artifact.id)
}

test('the newest stay for a rollback, the others go', () => {
  expect(names([{ releases: RELEASES, releaseIdsInUse: [] }])).toEqual(['t-1', 't-2', 't-3'])
  expect(ARTIFACTS.length - 3).toBe(KEPT_ARTIFACTS)
})

test('what runs stays, however old', () => {
  expect(names([{ releases: RELEASES, releaseIdsInUse: ['r-2'] }])).toEqual(['t-1', 't-3'])
})

test('many releases of one artifact count once', () => {
  const again = Array.from({ length: 20 }, (_, at) => aRelease({ id: `again-${at}`, number: 100 + at, artifactId: 't-8' }))
  expect(names([{ releases: [...RELEASES, ...again], releaseIdsInUse: [] }])).toEqual(['t-1', 't-2', 't-3'])
})

test('each environment keeps its own', () => {
  expect(
    names([
      { releases: RELEASES, releaseIdsInUse: [] },
      { releases: RELEASES.slice(0, 2), releaseIdsInUse: [] },
    ]),
  ).toEqual(['t-3'])
})

test('an artifact without a release may be on its way to one', () => {
  expect(names([{ releases: RELEASES.slice(1), releaseIdsInUse: [] }])).toEqual(['t-2', 't-3'])
})

test('two artifacts of one image: it stays while one of them is needed', () => {
  const artifacts = ARTIFACTS.map((artifact) => (artifact.id === 't-1' ? { ...artifact, digest: 'sha256:t-8' } : artifact))
  expect(names([{ releases: RELEASES, releaseIdsInUse: [] }], artifacts)).toEqual(['t-2', 't-3'])
})

test('one that is removed is not removed again', () => {
  const artifacts = ARTIFACTS.map((artifact) => (artifact.id === 't-1' ? { ...artifact, removedAt: 5 } : artifact))
  expect(names([{ releases: RELEASES, releaseIdsInUse: [] }], artifacts)).toEqual(['t-2', 't-3'])
})
