import { InvalidError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { App } from './app.ts'

export interface AppChange {
  readonly actor: Actor
  readonly app: App
  /** Folder of its repository it lives in; '' is all of it. */
  readonly root?: string | undefined
  /** Patterns of paths whose change matters; empty: its root. */
  readonly watch?: readonly string[] | undefined
}

const MOST_PATTERNS = 50

/** Changes where an app lives in its repository; the next build goes by it. Throws InvalidError `app.too_many_patterns`. */
export async function changeApp(context: Pick<Context, 'store'>, input: AppChange): Promise<App> {
  if ((input.watch?.length ?? 0) > MOST_PATTERNS) throw new InvalidError('app.too_many_patterns', `An app watches at most ${MOST_PATTERNS} patterns of paths.`)
  return context.store.transaction(async (tx) => {
    const app = await tx.apps.get({ projectId: input.app.projectId }, input.app.id)
    const changed = await tx.apps.save(app, { ...app, root: input.root ?? app.root, watch: input.watch ?? app.watch })
    const data = { root: changed.root, watch: changed.watch }
    await tx.record({ kind: 'app.changed', actor: input.actor, projectId: app.projectId, appId: app.id, subject: app.id, data })
    return changed
  })
}
