import { EVERYTHING } from '../../core/actor/actor.ts'
import { createToken, findProject, revokeToken, signIn } from '../../core/actor/token.ts'
import { createProject } from '../../core/project/create.ts'
import type { Handlers } from '../call.ts'
import { showToken } from '../show.ts'

export const access = {
  signIn: async (handling, call) => {
    const { secret, token } = await signIn(handling, call.body)
    return { secret, token: await showToken(handling.store.read, token) }
  },
  me: async (handling, { actor }) => {
    const project = actor.projectId === null ? null : await handling.store.read.projects.find(EVERYTHING, actor.projectId)
    return { name: actor.name, role: actor.role, project: project?.name ?? null, server: handling.version }
  },
  listTokens: async (handling, { actor }) => {
    const tokens = await handling.store.read.tokens.list({ projectId: actor.projectId }, { orderBy: 'createdAt' })
    return Promise.all(tokens.map((token) => showToken(handling.store.read, token)))
  },
  createToken: async (handling, { actor, body }) => {
    const asked = body
    const projectId = asked.project === undefined ? actor.projectId : await findProject(handling.store.read, actor, asked.project)
    const { token, secret } = await createToken(handling, { actor, name: asked.name, role: asked.role, days: asked.days, projectId })
    return { secret, token: await showToken(handling.store.read, token) }
  },
  revokeToken: async (handling, { actor, params }) => showToken(handling.store.read, await revokeToken(handling, { actor, id: params.id })),
  createProject: async (handling, { actor, body }) => createProject(handling, { actor, name: body.name }),
} satisfies Partial<Handlers>
