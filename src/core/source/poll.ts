import { codeOf, messageOf, PlatformError } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import { unchangedSince } from '../app/watch.ts'
import { openBuild } from '../build/open.ts'
import type { Source } from '../build/source.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import { targetOf } from '../environment/target.ts'
import { keepPush } from '../push/keep.ts'
import { pushRef } from '../push/push.ts'
import type { CodeSource } from './source.ts'

/** A host that does not answer is asked less and less often, down to this many of its intervals. */
const MOST_INTERVALS = 16
/** Looks are spread over this part of an interval, so that hundreds of apps do not ask at the same moment. */
const JITTER = 0.2
const LONGEST_WAIT_MS = 60_000

type Needs = Pick<Context, 'store' | 'clock' | 'log'>

/** Looks at every source whose time has come, one after another; says when the next is due. */
export async function pollSources(context: Needs, git: Source): Promise<PassResult> {
  for (const source of await context.store.read.sources.list(EVERYTHING, { orderBy: 'nextAt' })) {
    if (source.nextAt > context.clock.now()) break
    const app = await context.store.read.apps.get(EVERYTHING, source.appId)
    if (app.removedAt === null) await lookAt(context, git, { app, source })
    else await context.store.transaction((tx) => tx.sources.remove(source.appId))
  }
  const next = (await context.store.read.sources.list(EVERYTHING, { orderBy: 'nextAt', limit: 1 }))[0]
  return next ? { afterMs: Math.min(Math.max(next.nextAt - context.clock.now(), 100), LONGEST_WAIT_MS) } : {}
}

/** One look: what is new and goes somewhere is fetched and built; a failure is remembered, and told by `lockgate source show`. */
export async function lookAt(context: Needs, git: Source, of: { readonly app: App; readonly source: CodeSource }): Promise<CodeSource> {
  const { app, source } = of
  try {
    const refs = await git.look(source)
    const news = await newsOf(context, { app, source, refs })
    if (news.length > 0) {
      await git.fetch(
        app.name,
        source,
        news.map((one) => one.ref),
      )
      for (const one of news) await build(context, git, { app, ...one })
    }
    return await remember(context, source, { seen: refs, failures: 0, problem: null })
  } catch (error) {
    if (!(error instanceof PlatformError)) context.log.error('a look at a source failed unexpectedly', { app: app.name, error })
    return remember(context, source, { seen: source.seen, failures: source.failures + 1, problem: messageOf(error) })
  }
}

interface News {
  readonly ref: string
  readonly commitId: string
  readonly environment: Environment
}

/** Refs that moved and are deployed somewhere. At the first look only branches that an environment names: not every old tag. */
async function newsOf(
  context: Needs,
  about: { readonly app: App; readonly source: CodeSource; readonly refs: Readonly<Record<string, string>> },
): Promise<News[]> {
  const { app, source, refs } = about
  const environments = await context.store.read.environments.list(EVERYTHING, { where: { appId: app.id, goneAt: null } })
  const isFirst = source.checkedAt === null
  return Object.entries(refs)
    .toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .flatMap(([ref, commitId]) => {
      const environment = targetOf(environments, ref)
      if (environment === null || source.seen[ref] === commitId) return []
      return isFirst && ref !== `refs/heads/${environment.branch}` ? [] : [{ ref, commitId, environment }]
    })
}

async function build(context: Needs, git: Source, news: News & { readonly app: App }): Promise<void> {
  const { app, environment, ref, commitId } = news
  if ((await unchangedSince(context, git, { app, environment, commitId })) !== null) return git.setRef(app.name, ref, commitId)
  let number = 0
  try {
    await openBuild(context, git, {
      actor: PLATFORM,
      app,
      environment,
      ref,
      commitId,
      rebuild: false,
      also: async (tx, opened) => {
        number = await keepPush(tx, { actor: PLATFORM, app, environment, ref, commitId, opened, now: context.clock.now() })
      },
    })
  } catch (error) {
    // A rollback left it behind: it stays there until a person or another commit says otherwise.
    if (codeOf(error) === 'release.pinned') return
    throw error
  }
  await git.setRef(app.name, pushRef(number), commitId)
}

function remember(context: Needs, source: CodeSource, found: Pick<CodeSource, 'seen' | 'failures' | 'problem'>): Promise<CodeSource> {
  const now = context.clock.now()
  const intervals = Math.min(2 ** found.failures, MOST_INTERVALS)
  const waitMs = source.everyMs * intervals * (1 - JITTER / 2 + JITTER * Math.random())
  return context.store.transaction(async (tx) => {
    const current = await tx.sources.find({ projectId: source.projectId }, source.appId)
    // Set anew or removed meanwhile: what was seen was of another repository.
    if (current === null || current.version !== source.version) return source
    return tx.sources.save(current, { ...current, ...found, checkedAt: now, nextAt: Math.round(now + waitMs) })
  })
}
