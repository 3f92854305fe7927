import { createGzip } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { anArtifact } from '../../../test/support/builders.ts'
import { type Code, someCode } from '../../../test/support/code.ts'
import { ADA } from '../../../test/support/core.ts'
import { aFolder } from '../../../test/support/store.ts'
import { until } from '../../../test/support/until.ts'
import { fake } from '../../drivers/builder/fake/index.ts'
import type { Builder } from '../../drivers/builder/types.ts'
import { tarStream } from '../../lib/tar.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { changeEnvironment } from '../environment/change.ts'
import type { Environment } from '../environment/environment.ts'
import { LogBook } from '../log/book.ts'
import { TRUST_LEVELS } from '../trust/trust.ts'
import type { Build } from './build.ts'
import { cancelBuild } from './cancel.ts'
import { type OpenBuild, openBuild, queueBuild } from './open.ts'
import { type BuildNeeds, BuildReconciler, LEAST_FREE_BYTES } from './reconciler.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const POOR = LEAST_FREE_BYTES - 1

interface Site {
  readonly code: Code
  readonly book: LogBook
  /** A queued build of a commit of its own. */
  build(files?: Readonly<Record<string, string>>, said?: Partial<OpenBuild>): Promise<Build>
  find(build: Build): Promise<Build>
  /** A reconciler whose builder and surroundings do this otherwise. */
  reconciler(otherwise?: { readonly builder?: Partial<Builder>; readonly ended?: () => void } & Partial<Omit<BuildNeeds, 'builder'>>): Promise<BuildReconciler>
  deployments(): Promise<readonly { readonly buildId: string | null }[]>
}

async function aSite(): Promise<Site> {
  const code = await someCode()
  const book = new LogBook({ directory: await aFolder() })
  const { store, git, app, production } = code
  // Each upload is a commit of its own, of the same files or not.
  let uploads = 0
  return {
    code,
    book,
    build: async (files = { 'index.html': 'hello' }, said = {}) => {
      const archive = tarStream(async (tar) => {
        for (const [name, text] of Object.entries(files)) tar.entry({ name, mode: 0o644 }, text)
      }).pipe(createGzip())
      const { ref, commitId } = await git.upload(app.name, archive, { author: 'ada', at: code.clock.now() + uploads++ * 1000 })
      const { build } = await openBuild(code, git, { actor: ADA, app, environment: production, ref, commitId, rebuild: false, ...said })
      if (build === null) throw new Error('it was built before')
      return build
    },
    find: ({ id }) => store.read.builds.get(EVERYTHING, id),
    reconciler: async ({ builder, ended = () => undefined, ...otherwise } = {}) => {
      const resolveImage = async () => ({ digest: DIGEST })
      const needs: BuildNeeds = {
        builder: { ...(await fake.create(fake.Config.parse({}), { resolveImage })), ...builder },
        source: git,
        book,
        publish: null,
        freeBytes: async () => LEAST_FREE_BYTES,
        makeRoom: async () => undefined,
        parallelBuilds: 2,
        ...otherwise,
      }
      const reconciler = new BuildReconciler(code, needs, ended)
      onTestFinished(() => reconciler.close())
      return reconciler
    },
    deployments: () => store.read.deployments.list(EVERYTHING),
  }
}

async function finished(site: Site, build: Build): Promise<Build> {
  await until('the build has ended', async () => (await site.find(build)).finishedAt !== null)
  return site.find(build)
}

test('a build makes an artifact and opens its deployment', async () => {
  const site = await aSite()
  const build = await site.build()
  await (await site.reconciler()).pass()
  expect(await finished(site, build)).toMatchObject({ status: 'succeeded', artifactId: expect.any(String), deploymentId: expect.any(String) })
  expect(await site.deployments()).toMatchObject([{ buildId: build.id, status: 'queued', verb: 'deploy' }])
})

test('without room a build fails and says what helps; with room made it goes on', async () => {
  const site = await aSite()
  const poor = await site.build()
  await (await site.reconciler({ freeBytes: async () => POOR })).pass()
  expect(await finished(site, poor)).toMatchObject({ status: 'failed', cause: 'disk_low', message: expect.stringContaining('lockgate disk'), treeId: null })
  const next = await site.build()
  let free = POOR
  const makeRoom = async (): Promise<void> => {
    free = LEAST_FREE_BYTES
  }
  await (await site.reconciler({ freeBytes: async () => free, makeRoom })).pass()
  expect(await finished(site, next)).toMatchObject({ status: 'succeeded' })
})

test('a build stays in the queue while it cannot be told how much room there is', async () => {
  const site = await aSite()
  const build = await site.build()
  const reconciler = await site.reconciler({ freeBytes: () => Promise.reject(new Error('no such disk')) })
  await expect(reconciler.pass()).rejects.toThrow('no such disk')
  expect(await site.find(build)).toEqual(build)
})

test('a build that is cancelled while room is made for it never begins', async () => {
  const site = await aSite()
  const build = await site.build()
  let free = POOR
  let begun = 0
  const ended: string[] = []
  const reconciler = await site.reconciler({
    freeBytes: async () => free,
    makeRoom: async () => {
      free = LEAST_FREE_BYTES
      await cancelBuild(site.code, { actor: ADA, id: build.id })
    },
    builder: {
      recipe: async () => {
        begun++
        return null
      },
    },
    ended: () => ended.push(build.id),
  })
  await reconciler.pass()
  await until('it has let go', () => ended.length === 1)
  expect(begun).toBe(0)
  expect(await site.find(build)).toMatchObject({ status: 'cancelled' })
})

test('a build that is cancelled when its image is made already deploys nothing and leaves no artifact', async () => {
  const site = await aSite()
  const build = await site.build()
  const whole = await fake.create(fake.Config.parse({}), { resolveImage: async () => ({ digest: DIGEST }) })
  const ended: string[] = []
  const reconciler = await site.reconciler({
    builder: {
      build: async (request) => {
        const result = await whole.build(request)
        await cancelBuild(site.code, { actor: ADA, id: build.id })
        return result
      },
    },
    ended: () => ended.push(build.id),
  })
  await reconciler.pass()
  await until('it has let go', () => ended.length === 1)
  expect(await site.find(build)).toMatchObject({ status: 'cancelled', artifactId: null, deploymentId: null })
  expect(await site.deployments()).toEqual([])
  expect(await site.code.store.read.artifacts.list(EVERYTHING)).toEqual([])
})

test('a promotion that is cancelled when its tests have passed already deploys nothing', async () => {
  const site = await aSite()
  const { code } = site
  const { commitId, ref } = await site.build({ 'lockgate.yaml': 'verify: make check' })
  const artifact = anArtifact({ id: 't-made', projectId: code.app.projectId, appId: code.app.id, commitId })
  const build = await code.store.transaction(async (tx) => {
    await tx.artifacts.insert(artifact)
    const { app, production } = code
    const asked = {
      actor: ADA,
      app,
      environment: production,
      ref,
      commitId,
      trust: 'protected' as const,
      rebuild: true,
      purpose: 'test' as const,
      artifactId: artifact.id,
    }
    return queueBuild(tx, { ...asked, now: code.clock.now() })
  })
  const ended: string[] = []
  const reconciler = await site.reconciler({
    builder: { test: async () => void (await cancelBuild(code, { actor: ADA, id: build.id })) },
    ended: () => ended.push(build.id),
  })
  await reconciler.pass()
  await until('it has let go', () => ended.length === 1)
  expect(await site.find(build)).toMatchObject({ status: 'cancelled', deploymentId: null })
  expect(await site.deployments()).toEqual([])
})

test('the next build of an app begins when the one before has let go, and not before', async () => {
  const site = await aSite()
  const first = await site.build()
  let clean = (): void => undefined
  const cleaning = new Promise<void>((resolve) => {
    clean = resolve
  })
  let ended = 0
  const reconciler = await site.reconciler({ builder: { clean: () => cleaning }, ended: () => ended++ })
  await reconciler.pass()
  await finished(site, first)
  const second = await site.build({ 'index.html': 'hello again' })
  await reconciler.pass()
  expect(await site.find(second)).toMatchObject({ status: 'queued' })
  clean()
  await until('the first has let go', () => ended === 1)
  await reconciler.pass()
  expect(await finished(site, second)).toMatchObject({ status: 'succeeded' })
})

test('what a stopped server leaves running is built again by the next one, with the steps of that attempt only', async () => {
  const site = await aSite()
  const build = await site.build({ 'fake-image': 'hang' })
  const noted: Partial<Builder> = {
    recipe: async (request) => {
      for (const number of [1, 2]) request.step({ number, name: `step ${number}`, state: 'running', ms: 0, cached: false })
      return null
    },
  }
  const stopped = await site.reconciler({ builder: noted })
  await stopped.pass()
  const steps = () => site.code.store.read.buildSteps.list(EVERYTHING, { where: { buildId: build.id } })
  await until('two steps have begun', async () => (await steps()).length === 2)
  await stopped.close()
  expect(await site.find(build)).toMatchObject({ status: 'running' })
  const next = await site.reconciler({
    builder: { build: async () => ({ digest: DIGEST, chosen: 'fake', runSpec: { command: null }, ports: [], releaseCommand: null, tests: [], content: null }) },
  })
  await next.pass()
  expect(await finished(site, build)).toMatchObject({ status: 'succeeded' })
  expect(await steps()).toEqual([])
})

test('a server that is closing begins no build', async () => {
  const site = await aSite()
  const build = await site.build()
  const reconciler = await site.reconciler({
    freeBytes: async () => {
      await reconciler.close()
      return LEAST_FREE_BYTES
    },
  })
  await reconciler.pass()
  expect(await site.find(build)).toEqual(build)
})

test('the same files are not built again, but a build takes nothing that was built at a lower level', async () => {
  const site = await aSite()
  let built = 0
  const whole = await fake.create(fake.Config.parse({}), { resolveImage: async () => ({ digest: DIGEST }) })
  const reconciler = await site.reconciler({
    builder: {
      recipe: async () => 'the-same',
      build: (request) => {
        built++
        return whole.build(request)
      },
    },
  })
  const run = async (said: Partial<OpenBuild>, note: string): Promise<Build> => {
    const build = await site.build({ 'index.html': 'hello' }, said)
    await reconciler.pass()
    await until(`the build ${note} has ended`, async () => (await site.find(build)).finishedAt !== null)
    await until('it has let go', async () => {
      await reconciler.pass()
      return true
    })
    return site.find(build)
  }
  const levels = await Promise.all(
    TRUST_LEVELS.map(async (trust) => {
      const environment = await site.code.environment(`of-${trust}`, trust)
      return changeEnvironment(site.code, { actor: ADA, environment, trust })
    }),
  )
  const [untrusted, ordinary, guarded] = levels
  const at = (environment: Environment | undefined): Partial<OpenBuild> => (environment ? { environment } : {})
  const made = {
    untrusted: await run(at(untrusted), 'of a stranger'),
    ordinary: await run(at(ordinary), 'of a colleague'),
    guarded: await run(at(guarded), 'for production'),
  }

  expect(made).toMatchObject({
    untrusted: { status: 'succeeded', reused: null, trust: 'untrusted' },
    ordinary: { status: 'succeeded', reused: null, trust: 'ordinary' },
    guarded: { status: 'succeeded', reused: null, trust: 'protected' },
  })
  expect(await run(at(guarded), 'for production again')).toMatchObject({ reused: made.guarded.id })
  expect(await run(at(ordinary), 'of a colleague again')).toMatchObject({ status: 'succeeded', reused: expect.any(String) })
  expect(built).toBe(3)
})
