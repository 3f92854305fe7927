import { newId } from '../../lib/ids.ts'
import type { Tx } from '../../store/types.ts'
import type { Artifact } from './artifact.ts'

/** The record of an image that runs this way; the same image with the same run spec is the same artifact. */
export async function rememberArtifact(tx: Tx, made: Omit<Artifact, 'id' | 'removedAt'>): Promise<Artifact> {
  const known = await tx.artifacts.list(
    { projectId: made.projectId },
    { where: { appId: made.appId, digest: made.digest, commitId: made.commitId, removedAt: null } },
  )
  const decided = ({ runSpec, buildValues, trust }: Pick<Artifact, 'runSpec' | 'buildValues' | 'trust'>): string =>
    JSON.stringify([runSpec, buildValues, trust])
  const same = known.find((one) => decided(one) === decided(made))
  return same ?? tx.artifacts.insert({ id: newId('t'), ...made, removedAt: null })
}
