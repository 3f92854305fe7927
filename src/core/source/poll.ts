import { codeOf, messageOf, PlatformError } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import type { App } from '../app/app.ts'
import { unchangedSince } from '../app/watch.ts'
import type { Engine } from '../artifact/present.ts'
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
const LEAST_WAIT_MS = 100

type Needs = Pick<Context, 'store' | 'clock' | 'log' | 'sealer' | 'settings'> & { readonly runtime: Engine }

/**
 * Looks at the source of one app if its time has come; says when the next look is due. Each app has its own pass: a host
 * that takes minutes keeps nobody else waiting.
 */
export async function pollSource(context: Needs, git: Source, appId: string): Promise<PassResult> {
  const source = await context.store.read.sources.find(EVERYTHING, appId)
  if (source === null) return {}
  const app = await context.store.read.apps.get(EVERYTHING, appId)
  if (app.removedAt !== null) {
    await context.store.transaction((tx) => tx.sources.remove(appId))
    return {}
  }
  const looked = source.nextAt > context.clock.now() ? source : await lookAt(context, git, { app, source })
  return { afterMs: Math.max(looked.nextAt - context.clock.now(), LEAST_WAIT_MS) }
}

/** One look: what is new and goes somewhere is fetched and built; a failure is remembered, and told by `lockgate source show`. */
export async function lookAt(context: Needs, git: Source, of: { readonly app: App; readonly source: CodeSource }): Promise<CodeSource> {
  const { app } = of
  let { source } = of
  try {
    const refs = await git.look(source)
    const news = await newsOf(context, { app, source, refs })
    const left: Left[] = []
    if (news.length > 0) {
      await git.fetch(
        app.name,
        source,
        news.map((one) => one.ref),
      )
      for (const one of news) {
        try {
          source = await build(context, git, { app, source, ...one })
        } catch (error) {
          if (!(error instanceof PlatformError) || codeOf(error) === 'store.stale') throw error
          left.push({ ref: one.ref, problem: messageOf(error) })
        }
      }
    }
    return await remember(context, source, answered(source, refs, left))
  } catch (error) {
    if (!(error instanceof PlatformError)) context.log.error('a look at a source failed unexpectedly', { app: app.name, error })
    return remember(context, source, { failures: source.failures + 1, problem: messageOf(error) })
  }
}

/** A ref that could not be built: it is news again at the next look, and keeps no other from being built. */
interface Left {
  readonly ref: string
  readonly problem: string
}

function answered(source: CodeSource, refs: Readonly<Record<string, string>>, left: readonly Left[]): Found {
  const seen: Record<string, string> = { ...refs }
  for (const { ref } of left) {
    delete seen[ref]
    const before = source.seen[ref]
    if (before !== undefined) seen[ref] = before
  }
  const [first] = left
  if (first === undefined) return { seen, answered: true, failures: 0, problem: null }
  return { seen, answered: true, failures: source.failures + 1, problem: `${first.ref}: ${first.problem}` }
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

/** Builds one ref, and writes down in the same transaction that it was seen: neither a crash nor a second look builds it again. */
async function build(context: Needs, git: Source, news: News & { readonly app: App; readonly source: CodeSource }): Promise<CodeSource> {
  const { app, environment, ref, commitId, source } = news
  if ((await unchangedSince(context, git, { app, environment, commitId })) !== null) {
    await git.setRef(app.name, ref, commitId)
    return source
  }
  let number = 0
  let seen = source
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
        // Stale when it was set anew, removed or looked at by somebody else meanwhile: then nothing is opened.
        seen = await tx.sources.save(source, { ...source, seen: { ...source.seen, [ref]: commitId } })
      },
    })
  } catch (error) {
    // A rollback left it behind: it stays there until a person or another commit says otherwise.
    if (codeOf(error) === 'release.pinned') return source
    throw error
  }
  await git.setRef(app.name, pushRef(number), commitId)
  return seen
}

type Found = Pick<CodeSource, 'failures' | 'problem'> & ({ readonly seen: CodeSource['seen']; readonly answered: true } | { readonly answered?: never })

function remember(context: Needs, source: CodeSource, found: Found): Promise<CodeSource> {
  const now = context.clock.now()
  const intervals = Math.min(2 ** found.failures, MOST_INTERVALS)
  const waitMs = source.everyMs * intervals * (1 - JITTER / 2 + JITTER * Math.random())
  const { failures, problem } = found
  const nextAt = Math.round(now + waitMs)
  return context.store.transaction(async (tx) => {
    const current = await tx.sources.find({ projectId: source.projectId }, source.appId)
    // Set anew or removed meanwhile: what was seen was of another repository. Looked at meanwhile: the other one remembers.
    if (current === null || current.version !== source.version) return current ?? source
    // Only an answer counts as a look: until the first one came, old tags are no news.
    const looked = found.answered ? { seen: found.seen, checkedAt: now } : {}
    return tx.sources.save(current, { ...current, ...looked, failures, problem, nextAt })
  })
}
