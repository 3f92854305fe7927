import { messageOf } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import { isRecorded } from '../artifact/recorded.ts'
import type { Context } from '../context.ts'
import type { DiskItem } from './disk.ts'
import { type SurveyNeeds, surveyDisk } from './survey.ts'

export interface CleanNeeds extends SurveyNeeds {
  readonly removeVolume: (name: string) => Promise<void>
}

/**
 * Removes what may go, by what is recorded and by our labels only; what cannot be removed now (a box uses it) stays. Gives
 * what is gone.
 */
export async function cleanDisk(context: Pick<Context, 'store' | 'runtime' | 'clock' | 'log'>, needs: CleanNeeds, actor: Actor): Promise<DiskItem[]> {
  const gone: DiskItem[] = []
  for (const item of await surveyDisk(context, needs)) {
    if (item.mayGo === null || item.id === null) continue
    try {
      if (item.kind === 'cache') await needs.removeVolume(item.id)
      // Asked again: removing all before took its time, and somebody may have deployed it meanwhile.
      else if (await isRecorded(context.store.read, item.id)) continue
      else if (!(await context.runtime.removeImage(item.id))) continue
      gone.push(item)
    } catch (error) {
      context.log.warn('something that may go could not be removed', { item: item.name, error: messageOf(error) })
    }
  }
  if (gone.length > 0) {
    const bytes = gone.reduce((sum, item) => sum + item.bytes, 0)
    await context.store.transaction((tx) =>
      tx.record({ kind: 'disk.cleaned', actor, projectId: '', data: { bytes, names: gone.map((item) => item.name).slice(0, 50) } }),
    )
  }
  return gone
}
