import { expect, test } from 'vitest'
import { anArtifact } from '../../../test/support/builders.ts'
import { type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { type Actor, EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { changeEnvironment } from '../environment/change.ts'
import type { Environment, Verification } from '../environment/environment.ts'
import { deployArtifact } from './deploy.ts'
import { promote } from './promote.ts'

interface Stage {
  readonly code: Code
  readonly staging: Environment
  readonly artifact: Artifact
}

/** Staging is to run an artifact. */
async function aStage(said: Partial<Artifact> = {}, isProven = true): Promise<Stage> {
  const code = await someCode()
  const staging = await code.environment('staging', 'next')
  const { store, app } = code
  const artifact = anArtifact({ projectId: app.projectId, appId: app.id, commitId: '3f2c1a9', content: 'c-1', ...said })
  await store.transaction(async (tx) => {
    await tx.artifacts.insert(artifact)
    const { release } = await deployArtifact(tx, {
      actor: ADA,
      environment: staging,
      artifact,
      manifest: null,
      buildId: null,
      promotes: true,
      now: code.clock.now(),
    })
    if (isProven) await tx.releases.set(release.id, { liveAt: code.clock.now() })
    const current = await tx.environments.get(EVERYTHING, staging.id)
    await tx.environments.save(current, { ...current, wish: { ...current.wish, releaseId: release.id } })
  })
  return { code, staging: await store.read.environments.get(EVERYTHING, staging.id), artifact }
}

async function promoted({ code, staging }: Stage, verify: Verification = 'off') {
  const to = verify === 'off' ? code.production : await changeEnvironment(code, { actor: ADA, environment: code.production, verify })
  return promote(code, { actor: ADA, app: code.app, from: staging, to })
}

async function inProduction(code: Code) {
  const where = { environmentId: code.production.id }
  return { deployments: await code.store.read.deployments.list(EVERYTHING, { where }), builds: await code.builds() }
}

test('the same artifact goes on as a release of the other environment, without a build', async () => {
  const stage = await aStage()
  const { deployment } = await promoted(stage)
  const { deployments, builds } = await inProduction(stage.code)
  expect(deployments).toMatchObject([{ id: deployment?.id, status: 'queued' }])
  expect(builds).toEqual([])
  const releases = await stage.code.store.read.releases.list(EVERYTHING, { where: { environmentId: stage.code.production.id } })
  expect(releases).toMatchObject([{ artifactId: stage.artifact.id, number: 1 }])
})

test('where tests are asked for first, a build of the artifact waits and nothing is deployed', async () => {
  const stage = await aStage()
  const { build } = await promoted(stage, 'test')
  expect(build).toMatchObject({ purpose: 'test', artifactId: stage.artifact.id, commitId: stage.artifact.commitId, status: 'queued' })
  expect((await inProduction(stage.code)).deployments).toEqual([])
})

test('what is not proven, not there, not kept any more or itself is not promoted', async () => {
  const fresh = await aStage({}, false)
  await expect(promoted(fresh)).rejects.toMatchObject({ code: 'promotion.not_proven' })
  await expect(promote(fresh.code, { actor: ADA, app: fresh.code.app, from: fresh.code.production, to: fresh.staging })).rejects.toMatchObject({
    code: 'promotion.nothing_there',
  })
  await expect(promote(fresh.code, { actor: ADA, app: fresh.code.app, from: fresh.staging, to: fresh.staging })).rejects.toMatchObject({
    code: 'promotion.same_environment',
  })
  const gone = await aStage()
  await gone.code.store.transaction((tx) => tx.artifacts.set(gone.artifact.id, { removedAt: 1 }))
  await expect(promoted(gone)).rejects.toMatchObject({ code: 'promotion.nothing_there' })
  expect(await inProduction(gone.code)).toEqual({ deployments: [], builds: [] })
})

test('what cannot be verified is not promoted where a verification is asked for', async () => {
  const image = await aStage({ commitId: null })
  await expect(promoted(image, 'test')).rejects.toMatchObject({ code: 'promotion.cannot_verify' })
  const dockerfile = await aStage({ content: null })
  await expect(promoted(dockerfile, 'rebuild')).rejects.toMatchObject({ code: 'promotion.cannot_verify' })
  expect(await inProduction(dockerfile.code)).toEqual({ deployments: [], builds: [] })
})

test('an image that retention took between the look and the deployment is not deployed', async () => {
  const { code, artifact } = await aStage()
  await code.store.transaction((tx) => tx.artifacts.set(artifact.id, { removedAt: 1 }))
  const deploying = code.store.transaction((tx) =>
    deployArtifact(tx, { actor: ADA, environment: code.production, artifact, manifest: null, buildId: null, now: code.clock.now() }),
  )
  await expect(deploying).rejects.toMatchObject({ code: 'artifact.removed' })
  expect((await inProduction(code)).deployments).toEqual([])
})

test('what was built at a lower level goes to production by a promotion of a person, and in no other way', async () => {
  const stage = await aStage({ trust: 'ordinary' })
  const { code, artifact } = stage
  const deploying = (actor: Actor, promotes: boolean): Promise<unknown> =>
    code.store.transaction((tx) =>
      deployArtifact(tx, { actor, environment: code.production, artifact, manifest: null, buildId: null, promotes, now: code.clock.now() }),
    )
  await expect(deploying(ADA, false)).rejects.toMatchObject({ code: 'artifact.not_trusted' })
  await expect(deploying(PLATFORM, true)).rejects.toMatchObject({ code: 'artifact.not_trusted' })

  expect((await promoted(stage)).deployment).toMatchObject({ status: 'queued' })
})

test.each([
  ['test', 'ordinary', 'ordinary'],
  ['rebuild', 'ordinary', 'protected'],
  ['rebuild', 'untrusted', 'untrusted'],
] as const)('the %s before a promotion of what was built %s is done at the level %s', async (verify, trust, level) => {
  const { build } = await promoted(await aStage({ trust }), verify)

  expect(build).toMatchObject({ trust: level })
})

test('only an administrator changes how far an environment is trusted', async () => {
  const code = await someCode()
  const releaser: Actor = { ...ADA, role: 'releaser' }

  await expect(changeEnvironment(code, { actor: releaser, environment: code.production, trust: 'ordinary' })).rejects.toMatchObject({ code: 'actor.may_not' })
  expect(await changeEnvironment(code, { actor: releaser, environment: code.production, branch: 'live' })).toMatchObject({ trust: 'protected' })
  expect(await changeEnvironment(code, { actor: ADA, environment: code.production, trust: 'ordinary' })).toMatchObject({ trust: 'ordinary' })
})
