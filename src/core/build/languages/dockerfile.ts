import type { Checkout, DockerfilePlan, Language, NotThis } from '../build-plan.ts'

/** An image made by the instructions of a Dockerfile: the file of that name, or the one that `lockgate.yaml` names. */
export const dockerfile: Language = {
  kind: 'dockerfile',
  called: 'an app with a Dockerfile',
  reads: () => [],
  plan,
}

function plan({ files, manifest }: Checkout): DockerfilePlan | NotThis {
  const { dockerfile: named, target, args } = manifest.build ?? {}
  const file = named ?? 'Dockerfile'
  if (!files.includes(file)) return { not: `there is no ${file}`, isNear: named !== undefined }
  const why = [named === undefined ? 'found a Dockerfile' : `lockgate.yaml names ${file}`, ...(target === undefined ? [] : [`builds its stage ${target}`])]
  return { kind: 'dockerfile', why, file, context: '', target: target ?? null, args: args ?? {} }
}
