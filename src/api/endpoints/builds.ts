import { EVERYTHING } from '../../core/actor/actor.ts'
import { mustBeAllowed } from '../../core/actor/may.ts'
import { isBuildFinished } from '../../core/build/build.ts'
import { cancelBuild } from '../../core/build/cancel.ts'
import { retryBuild } from '../../core/build/retry.ts'
import type { Handlers, Handling, Named } from '../call.ts'
import { showBuild } from '../show.ts'
import { linesUntil } from './lines.ts'
import { watch } from './watch.ts'

async function buildOf(handling: Handling, { actor, params }: Named) {
  return handling.store.read.builds.get({ projectId: actor.projectId }, params.id)
}

export const builds = {
  listBuilds: async (handling, call) => {
    const { limit } = call.query
    const list = await handling.store.read.builds.list(EVERYTHING, {
      where: { environmentId: call.environment.id },
      orderBy: 'createdAt',
      descending: true,
      limit,
    })
    return Promise.all(list.map((build) => showBuild(handling.store.read, build)))
  },
  listAllBuilds: async (handling, call) => {
    const { limit, status } = call.query
    const list = await handling.store.read.builds.list(
      { projectId: call.actor.projectId },
      { ...(status === undefined ? {} : { where: { status } }), orderBy: 'createdAt', descending: true, limit },
    )
    return Promise.all(list.map((build) => showBuild(handling.store.read, build)))
  },
  readBuild: async (handling, call) => showBuild(handling.store.read, await buildOf(handling, call)),
  followBuild: (handling, call) => {
    const look = async () => {
      const build = await buildOf(handling, call)
      return { data: await showBuild(handling.store.read, build), ended: isBuildFinished(build) }
    }
    return watch(handling.store, look, call.signal)
  },
  retryBuild: async (handling, call) => {
    const build = await buildOf(handling, call)
    mustBeAllowed(call.actor, 'source.push', await handling.store.read.environments.get(EVERYTHING, build.environmentId))
    return showBuild(handling.store.read, await retryBuild(handling, { actor: call.actor, build }))
  },
  cancelBuild: async (handling, call) => {
    const build = await buildOf(handling, call)
    mustBeAllowed(call.actor, 'environment.operate', await handling.store.read.environments.get(EVERYTHING, build.environmentId))
    return showBuild(handling.store.read, await cancelBuild(handling, { actor: call.actor, id: build.id }))
  },
  readBuildLog: async (handling, call) => {
    const build = await buildOf(handling, call)
    const { lines, search } = call.query
    return handling.book.tail(`build/${build.id}`, lines, search)
  },
  followBuildLog: async function* (handling, call) {
    const build = await buildOf(handling, call)
    const ended = async (): Promise<boolean> => isBuildFinished(await buildOf(handling, call))
    yield* linesUntil(handling, { key: `build/${build.id}`, call, ended, lines: call.query.lines })
  },
} satisfies Partial<Handlers>
