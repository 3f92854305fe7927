// An app and its repository in this process: the real database and real git, no loops, nothing that runs.
import { onTestFinished } from 'vitest'
import { EVERYTHING } from '../../src/core/actor/actor.ts'
import type { App, AppName, EnvironmentName } from '../../src/core/app/app.ts'
import { createApp } from '../../src/core/app/create.ts'
import type { Engine } from '../../src/core/artifact/present.ts'
import type { Build } from '../../src/core/build/build.ts'
import type { Source } from '../../src/core/build/source.ts'
import type { CoreSettings } from '../../src/core/context.ts'
import { addEnvironment } from '../../src/core/environment/create.ts'
import type { Environment } from '../../src/core/environment/environment.ts'
import { ensureDefaultProject } from '../../src/core/project/create.ts'
import { openSealer } from '../../src/core/secret/seal.ts'
import type { Sealer } from '../../src/core/secret/secret.ts'
import { openElsewhere } from '../../src/git/elsewhere.ts'
import { Repositories } from '../../src/git/repository.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { NotFoundError } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import { networks } from '../../src/lib/outside.ts'
import type { Store } from '../../src/store/types.ts'
import { ADA } from './core.ts'
import { aGitHost, type GitHost } from './git-host.ts'
import { coreSettings } from './settings.ts'
import { aFolder, aStore } from './store.ts'

export interface Code {
  readonly store: Store
  readonly clock: typeof systemClock
  readonly log: typeof silentLog
  readonly sealer: Sealer
  readonly runtime: Engine
  /** Digests of images that the engine has lost. */
  readonly pruned: Set<string>
  readonly settings: CoreSettings
  readonly git: Repositories
  readonly app: App
  readonly production: Environment
  /** Another environment of the app. */
  environment(name: string, branch: string, tags?: string): Promise<Environment>
  /** All builds of the app, oldest first. */
  builds(): Promise<Build[]>
  /** The same git with some of its verbs otherwise. */
  gitWith(other: Partial<Source>): Source
}

/** Makes them; they are gone when the test is. */
export async function someCode(): Promise<Code> {
  const parts = {
    store: await aStore(),
    clock: systemClock,
    log: silentLog,
    sealer: await openSealer(await aFolder()),
    ...anEngine(),
    settings: coreSettings('10.231.0.0/16'),
  }
  await ensureDefaultProject(parts)
  const [project] = await parts.store.read.projects.list(EVERYTHING)
  const { app, environment } = await createApp(parts, { actor: ADA, projectId: project?.id ?? '', name: 'shop' as AppName })
  const git = new Repositories(await aFolder(), openElsewhere(parts, { allowed: networks(['127.0.0.0/8']), allowHttp: true }))
  await git.ensure(app.name)
  return {
    ...parts,
    git,
    app,
    production: environment,
    environment: (name, branch, tags) => addEnvironment(parts, { actor: ADA, app, name: name as EnvironmentName, branch, tags: tags ?? null }),
    builds: () => parts.store.read.builds.list(EVERYTHING, { where: { appId: app.id }, orderBy: 'createdAt' }),
    gitWith: (other) => new Proxy<Source>(git, { get: (all, verb) => Reflect.get(other, verb) ?? bound(all, verb) }),
  }
}

function anEngine(): Pick<Code, 'runtime' | 'pruned'> {
  const pruned = new Set<string>()
  const resolveImage: Engine['resolveImage'] = async (digest) => {
    if (pruned.has(digest)) throw new NotFoundError('image.not_found', `There is no image ${digest}`)
    return { digest, ports: [], volumes: [], sizeBytes: 0, createdAt: 0 }
  }
  return { pruned, runtime: { resolveImage } }
}

function bound(of: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(of, name)
  return typeof value === 'function' ? value.bind(of) : value
}

/** Another git server, gone when the test is. */
export async function anotherHost(): Promise<GitHost> {
  const host = await aGitHost()
  onTestFinished(() => host.stop())
  return host
}
