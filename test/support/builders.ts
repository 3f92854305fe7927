// Nouns as tests need them: everything plain, and only what the test is about is said.
import type { App, AppName } from '../../src/core/app/app.ts'
import { PRODUCTION } from '../../src/core/app/app.ts'
import { type Artifact, DEFAULT_RUN_SPEC } from '../../src/core/artifact/artifact.ts'
import type { Build } from '../../src/core/build/build.ts'
import type { Environment } from '../../src/core/environment/environment.ts'
import type { Instance } from '../../src/core/instance/instance.ts'
import type { Release } from '../../src/core/release/release.ts'

export function anApp(said: Partial<App> = {}): App {
  return { id: 'a-1', projectId: 'p-1', name: 'shop' as AppName, root: '', watch: [], createdAt: 0, removedAt: null, goneAt: null, version: 1, ...said }
}

export function anEnvironment(said: Partial<Environment> = {}): Environment {
  return {
    id: 'e-1',
    projectId: 'p-1',
    appId: 'a-1',
    name: PRODUCTION,
    wish: { releaseId: 'r-1', set: 1, count: 1, running: true },
    strategy: { kind: 'auto', surge: 1 },
    strategySetBy: 'default',
    branch: 'main',
    tags: null,
    trust: 'protected',
    verify: 'off',
    liveArm: 'blue',
    share: null,
    hold: null,
    watchPolicy: { forMs: 120_000, rollback: true },
    watch: null,
    routeGeneration: 1,
    subnet: 0,
    createdAt: 0,
    removedAt: null,
    goneAt: null,
    version: 1,
    ...said,
  }
}

export function anInstance(said: Partial<Instance> = {}): Instance {
  return {
    name: 'lockgate-test-shop--production-1-0',
    projectId: 'p-1',
    environmentId: 'e-1',
    releaseId: 'r-1',
    set: 1,
    ordinal: 0,
    address: '10.210.0.3',
    port: 8080,
    arm: 'blue',
    traffic: 'in',
    proven: true,
    crashes: 0,
    retryAt: 0,
    restartsForgiven: 0,
    fault: null,
    counted: null,
    createdAt: 0,
    removedAt: null,
    removedGeneration: 0,
    version: 1,
    ...said,
  }
}

export function anArtifact(said: Partial<Artifact> = {}): Artifact {
  const id = said.id ?? 't-1'
  return {
    id,
    projectId: 'p-1',
    appId: 'a-1',
    digest: `sha256:${id}`,
    origin: 'main@3f2c1a9',
    commitId: null,
    buildId: null,
    treeId: null,
    recipe: null,
    buildValues: {},
    trust: 'protected',
    content: null,
    reference: null,
    runSpec: DEFAULT_RUN_SPEC,
    createdAt: 0,
    removedAt: null,
    ...said,
  }
}

export function aBuild(said: Partial<Build> = {}): Build {
  return {
    id: 'b-1',
    projectId: 'p-1',
    appId: 'a-1',
    environmentId: 'e-1',
    commitId: '3f2c1a9',
    ref: 'refs/heads/main',
    purpose: 'deploy',
    status: 'queued',
    cause: 'requested',
    message: '',
    treeId: null,
    recipe: null,
    trust: 'protected',
    again: false,
    tests: null,
    reused: null,
    artifactId: null,
    deploymentId: null,
    actor: { kind: 'token', id: 'k-ada', name: 'ada' },
    createdAt: 0,
    startedAt: null,
    finishedAt: null,
    version: 1,
    ...said,
  }
}

export function aRelease(said: Partial<Release> = {}): Release {
  return {
    id: 'r-1',
    projectId: 'p-1',
    environmentId: 'e-1',
    number: 1,
    artifactId: 't-1',
    configRevisionId: 'c-1',
    runSpec: DEFAULT_RUN_SPEC,
    actor: { kind: 'token', id: 'k-ada', name: 'ada' },
    createdAt: 0,
    liveAt: null,
    provenAt: null,
    fault: null,
    ...said,
  }
}
