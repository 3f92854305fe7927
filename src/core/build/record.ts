import type { Tx } from '../../store/types.ts'
import { type Build, type BuildMove, moveBuild } from './build.ts'

/** A build in its next status, with the fact of it. */
export async function move(tx: Tx, build: Build, change: BuildMove): Promise<Build> {
  const saved = await tx.builds.save(build, moveBuild(build, change))
  await recordBuild(tx, saved)
  return saved
}

/** The fact that a build is in a (new) status. */
export async function recordBuild(tx: Tx, build: Build): Promise<void> {
  await tx.record({
    kind: `build.${build.status}`,
    actor: build.actor,
    projectId: build.projectId,
    appId: build.appId,
    environmentId: build.environmentId,
    subject: build.id,
    data: { commit: build.commitId, cause: build.cause, ...(build.message === '' ? {} : { message: build.message }) },
  })
}
