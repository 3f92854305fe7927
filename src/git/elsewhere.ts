// Who we are for other git servers: the sealed credential of an app's source, and for those submodules that its owner named.
import type { BlockList } from 'node:net'
import { EVERYTHING } from '../core/actor/actor.ts'
import type { AppName } from '../core/app/app.ts'
import { findApp } from '../core/app/remove.ts'
import type { Context } from '../core/context.ts'
import { credentialOf } from '../core/source/credential.ts'
import type { CodeSource } from '../core/source/source.ts'
import { isSameRepository, readRemoteUrl } from '../core/source/url.ts'
import { codeOf, PlatformError, RejectedError } from '../lib/errors.ts'
import { run } from '../lib/run.ts'
import { GIT_ENVIRONMENT } from './environment.ts'
import { fetchRemote, type Remote, scanHostKeys } from './remote.ts'
import type { Elsewhere } from './repository.ts'

export interface ElsewhereOptions {
  /** Inner networks that code may be fetched from. */
  readonly allowed: BlockList
  readonly allowHttp: boolean
}

/** A source as git needs it. */
function remoteOf(context: Pick<Context, 'sealer'>, options: ElsewhereOptions, source: CodeSource): Remote {
  return {
    url: readRemoteUrl(source.url, options.allowHttp),
    credential: credentialOf(context, source),
    knownHosts: source.knownHosts,
    allowed: options.allowed,
  }
}

/** What submodules of pushed and fetched code need. */
export function openElsewhere(context: Pick<Context, 'store' | 'sealer'>, options: ElsewhereOptions): Elsewhere {
  const sourceOf = async (name: AppName): Promise<CodeSource | null> =>
    context.store.read.sources.find(EVERYTHING, (await findApp(context.store.read, EVERYTHING, name)).id)
  return {
    allowHttp: options.allowHttp,
    remoteOf: (source) => remoteOf(context, options, source),
    hostKeys: (url) => scanHostKeys(readRemoteUrl(url, options.allowHttp), options.allowed),
    baseOf: async (app) => {
      const source = await sourceOf(app)
      return source === null ? null : readRemoteUrl(source.url, options.allowHttp)
    },
    fetchCommit: async ({ app, repository, url, commitId }) => {
      if (await has(repository, commitId)) return
      const source = await sourceOf(app)
      const own = source === null ? null : remoteOf(context, options, source)
      const sameHost = own !== null && own.url.protocol === url.protocol && own.url.host === url.host && own.url.port === url.port
      const isAllowed =
        sameHost && [source?.url ?? '', ...(source?.submodules ?? [])].some((text) => isSameRepository(readRemoteUrl(text, options.allowHttp), url))
      const credential = isAllowed ? own.credential : null
      const remote: Remote = { url, credential, knownHosts: sameHost ? own.knownHosts : '', allowed: options.allowed }
      try {
        await fetchOne(repository, remote, commitId)
      } catch (error) {
        if (!sameHost || isAllowed || own.credential === null || !(error instanceof PlatformError) || error.retryable) throw error
        throw new RejectedError(
          'source.submodule_not_allowed',
          `${error.message} The credential of the source was not used for it: a releaser allows that with "lockgate source set ${app} … --submodule ${url.text}".`,
          { cause: error },
        )
      }
    },
  }
}

/** By its id; from a server that gives branches only, all branches. */
async function fetchOne(repository: string, remote: Remote, commitId: string): Promise<void> {
  try {
    await fetchRemote(repository, remote, [`${commitId}:refs/lockgate/submodules/${commitId}`])
  } catch (error) {
    if (codeOf(error) !== 'source.ref_not_there') throw error
    await fetchRemote(repository, remote, [`+refs/heads/*:refs/lockgate/submodules/of-${commitId}/*`])
    if (!(await has(repository, commitId))) throw error
  }
}

async function has(repository: string, commitId: string): Promise<boolean> {
  const { status } = await run('git', ['cat-file', '-e', `${commitId}^{commit}`], { env: GIT_ENVIRONMENT, cwd: repository, anyStatus: true })
  return status === 0
}
