import type { Store } from '../../store/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Maxima, MaximaSettings } from '../app/maxima.ts'

/** The maxima that hold in a project, or without one in those that are not named. Throws NotFoundError for an unknown one. */
export async function maximaOf(
  context: { readonly store: Pick<Store, 'read'>; readonly settings: { readonly maxima: MaximaSettings } },
  projectId: string | null,
): Promise<Maxima> {
  const { all, projects } = context.settings.maxima
  if (projectId === null || Object.keys(projects).length === 0) return all
  const { name } = await context.store.read.projects.get(EVERYTHING, projectId)
  return { ...all, ...projects[name] }
}
