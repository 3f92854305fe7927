import { createGzip } from 'node:zlib'
import { expect, test } from 'vitest'
import { anArtifact } from '../../../test/support/builders.ts'
import { type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { UnavailableError } from '../../lib/errors.ts'
import { tarStream } from '../../lib/tar.ts'
import type { Actor } from '../actor/actor.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { revise } from '../config-revision/revise.ts'
import { deployArtifact, deployImage } from '../deployment/deploy.ts'
import { promote } from '../deployment/promote.ts'
import type { Environment } from '../environment/environment.ts'
import { type Opened, openBuild } from './open.ts'

interface Built {
  readonly code: Code
  readonly staging: Environment
  readonly artifact: Artifact
  open(environment: Environment): Promise<Opened>
}

/** A commit that names API_URL in build.secrets, built for staging and live there. */
async function builtForStaging(): Promise<Built> {
  const code = await someCode()
  const { app, git, store } = code
  const archive = tarStream(async (tar) => {
    tar.entry({ name: 'lockgate.yaml', mode: 0o644 }, 'build: {secrets: [API_URL]}\n')
  }).pipe(createGzip())
  const { ref, commitId } = await git.upload(app.name, archive, { author: 'ada', at: code.clock.now() })
  const staging = await code.environment('staging', 'staging')
  for (const environment of [staging, code.production]) await set(code, environment, { API_URL: `https://${environment.name}.test` })
  const treeId = await git.treeOf({ app: app.name, commitId, root: app.root })
  const buildValues = { API_URL: code.sealer.fingerprint('API_URL', 'https://staging.test') }
  const artifact = anArtifact({ id: 't-1', projectId: app.projectId, appId: app.id, commitId, treeId, buildValues })
  await store.transaction(async (tx) => {
    await tx.artifacts.insert(artifact)
    await deployArtifact(tx, { actor: ADA, environment: staging, artifact, manifest: null, buildId: null, now: code.clock.now() })
  })
  return { code, staging, artifact, open: (environment) => openBuild(code, git, { actor: ADA, app, environment, ref, commitId, rebuild: false }) }
}

function set(code: Code, environment: Environment, values: Record<string, string>): ReturnType<typeof revise> {
  return revise(code, { actor: ADA, environment, set: values, secret: ['API_URL'], unset: [] })
}

test('a commit that was built with the values of staging is built again for production, and not for staging', async () => {
  const { code, staging, open } = await builtForStaging()

  expect(await open(staging)).toMatchObject({ build: null })
  expect(await open(code.production)).toMatchObject({ build: { status: 'queued' } })
})

test('a commit is built again when a value of build.secrets was changed since', async () => {
  const { code, staging, open } = await builtForStaging()

  await set(code, staging, { API_URL: 'https://new.test' })

  expect(await open(staging)).toMatchObject({ build: { status: 'queued' } })
})

test('who changes a value that was built into the image is told that a build is needed', async () => {
  const { code, staging } = await builtForStaging()

  expect((await set(code, staging, { OTHER: '1' })).builtIn).toEqual([])
  expect((await set(code, staging, { API_URL: 'https://new.test', OTHER: '2' })).builtIn).toEqual(['API_URL'])
  expect((await set(code, staging, { API_URL: 'https://staging.test' })).builtIn).toEqual([])
  expect((await revise(code, { actor: ADA, environment: staging, set: {}, secret: [], unset: ['API_URL'] })).builtIn).toEqual(['API_URL'])
})

test('what is recorded of a value is not the value, and differs from one installation to the next', async () => {
  const [one, other] = [await someCode(), await someCode()]

  expect(one.sealer.fingerprint('KEY', 'value')).toMatch(/^[0-9a-f]{32}$/)
  expect(one.sealer.fingerprint('KEY', 'value')).toEqual(one.sealer.fingerprint('KEY', 'value'))
  expect(one.sealer.fingerprint('KEY', 'value')).not.toEqual(one.sealer.fingerprint('NAME', 'value'))
  expect(one.sealer.fingerprint('KEY', 'value')).not.toEqual(other.sealer.fingerprint('KEY', 'value'))
})

test('a commit whose image was pruned is built again, and the artifact is recorded as removed', async () => {
  const { code, staging, artifact, open } = await builtForStaging()
  code.pruned.add(artifact.digest)

  expect(await open(staging)).toMatchObject({ build: { status: 'queued' } })
  expect((await code.store.read.artifacts.get(EVERYTHING, artifact.id)).removedAt).not.toBe(null)
})

test('while the engine does not answer, a commit that was built is deployed all the same: its deployment waits', async () => {
  const { code, staging, open } = await builtForStaging()
  code.runtime.resolveImage = async () => Promise.reject(new UnavailableError('runtime.unreachable', 'no answer'))

  expect(await open(staging)).toMatchObject({ build: null, deployment: { status: 'queued' } })
})

test('a promotion says which values the image was built with that its new environment does not have', async () => {
  const { code, staging, artifact } = await builtForStaging()
  const live = await liveIn(code, staging, artifact)

  expect(await promote(code, { actor: ADA, app: code.app, from: live, to: code.production })).toMatchObject({ builtIn: ['API_URL'] })
  await set(code, code.production, { API_URL: 'https://staging.test' })
  expect(await promote(code, { actor: ADA, app: code.app, from: live, to: code.production })).toMatchObject({ builtIn: [] })
})

test('values that stand in an image are not moved to where somebody else reads them', async () => {
  const { code, artifact } = await builtForStaging()
  const guarded = await liveIn(code, code.production, await inProduction(code, artifact))
  const dev = await code.environment('dev', 'dev')
  const developer: Actor = { ...ADA, role: 'developer' }
  const runtime = { resolveImage: async () => ({ digest: artifact.digest, ports: [], volumes: [], sizeBytes: 0, createdAt: 0 }) }

  await expect(promote(code, { actor: developer, app: code.app, from: guarded, to: dev })).rejects.toMatchObject({ code: 'actor.may_not' })
  await expect(deployImage({ ...code, runtime } as never, { actor: developer, environment: dev, image: artifact.digest, manifest: {} })).rejects.toMatchObject({
    code: 'image.other_values',
  })
  expect(await promote(code, { actor: ADA, app: code.app, from: guarded, to: dev })).toMatchObject({ builtIn: ['API_URL'] })
})

async function inProduction(code: Code, artifact: Artifact): Promise<Artifact> {
  await code.store.transaction((tx) =>
    deployArtifact(tx, { actor: ADA, environment: code.production, artifact, manifest: null, buildId: null, promotes: true, now: code.clock.now() }),
  )
  return artifact
}

/** As if the deployment of its artifact had succeeded. */
async function liveIn(code: Code, environment: Environment, artifact: Artifact): Promise<Environment> {
  const [release] = await code.store.read.releases.list(EVERYTHING, { where: { environmentId: environment.id, artifactId: artifact.id } })
  return code.store.transaction(async (tx) => {
    await tx.releases.set(release?.id ?? '', { liveAt: code.clock.now() })
    const current = await tx.environments.get(EVERYTHING, environment.id)
    return tx.environments.save(current, { ...current, wish: { ...current.wish, releaseId: release?.id ?? null } })
  })
}
