import { ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Actor } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import { DEFAULT_PROJECT, type Project } from './project.ts'

/** Creates a project. Throws ConflictError `project.name_taken`. */
export function createProject(context: Pick<Context, 'store' | 'clock'>, input: { readonly actor: Actor; readonly name: string }): Promise<Project> {
  return context.store.transaction(async (tx) => {
    const taken = await tx.projects.list({ projectId: null }, { where: { name: input.name }, limit: 1 })
    if (taken.length > 0) throw new ConflictError('project.name_taken', `There is a project ${input.name} already.`)
    const project = await tx.projects.insert({ id: newId('p'), name: input.name, createdAt: context.clock.now() })
    await tx.record({ kind: 'project.created', actor: input.actor, projectId: project.id, subject: project.id, data: { name: project.name } })
    return project
  })
}

/** The project that is there from the first start. */
export async function ensureDefaultProject(context: Pick<Context, 'store' | 'clock'>): Promise<void> {
  await context.store.transaction(async (tx) => {
    const known = await tx.projects.list({ projectId: null }, { where: { name: DEFAULT_PROJECT }, limit: 1 })
    if (known.length === 0) await tx.projects.insert({ id: newId('p'), name: DEFAULT_PROJECT, createdAt: context.clock.now() })
  })
}
