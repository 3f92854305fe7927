import type { Builder } from '../../drivers/builder/types.ts'
import { EVERYTHING } from '../actor/actor.ts'
import { isBuildFinished } from '../build/build.ts'
import type { Source } from '../build/source.ts'
import type { Context } from '../context.ts'
import type { LogBook } from '../log/book.ts'
import type { App } from './app.ts'

/** Where things of an app lie beside the database and the networks. */
export interface Keepers {
  readonly builder: Pick<Builder, 'clean' | 'forget'>
  readonly source: Pick<Source, 'remove'>
  readonly book: Pick<LogBook, 'remove'>
}

/**
 * Takes away what an app leaves when nothing of it runs any more: what its builds left and cached, images that nobody else
 * needs, logs, and its repository. Done twice it is done once. False: a build of it is still ending.
 */
export async function forgetApp(context: Pick<Context, 'store' | 'runtime' | 'clock'>, keepers: Keepers, app: App): Promise<boolean> {
  const { read } = context.store
  const where = { appId: app.id }
  const builds = await read.builds.list(EVERYTHING, { where })
  if (builds.some((build) => !isBuildFinished(build))) return false
  // A build that was cancelled a moment ago may still hold its boxes.
  for (const build of builds) if ((build.finishedAt ?? 0) >= (app.removedAt ?? 0)) await keepers.builder.clean(build.id)
  await keepers.builder.forget(app.id)
  await removeImages(context, app)
  for (const build of builds) await keepers.book.remove(`build/${build.id}`)
  for (const environment of await read.environments.list(EVERYTHING, { where })) {
    await keepers.book.remove(`environment/${environment.id}`)
    const oneOffs = await read.oneOffs.list(EVERYTHING, { where: { environmentId: environment.id } })
    for (const oneOff of oneOffs) await keepers.book.remove(`one-off/${oneOff.id}`)
  }
  await keepers.source.remove(app.name)
  return true
}

/** Images of other apps stay, also where both were given the same one. */
async function removeImages(context: Pick<Context, 'store' | 'runtime' | 'clock'>, app: App): Promise<void> {
  const { read } = context.store
  for (const artifact of await read.artifacts.list(EVERYTHING, { where: { appId: app.id, removedAt: null } })) {
    const sharers = await read.artifacts.list(EVERYTHING, { where: { digest: artifact.digest, removedAt: null } })
    await context.store.transaction((tx) => tx.artifacts.set(artifact.id, { removedAt: context.clock.now() }))
    if (sharers.every((other) => other.appId === app.id)) await context.runtime.removeImage(artifact.digest)
  }
}
