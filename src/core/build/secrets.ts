import { EVERYTHING } from '../actor/actor.ts'
import type { Manifest } from '../app/manifest.ts'
import { headRevision } from '../config-revision/revise.ts'
import type { Context } from '../context.ts'
import { environmentOf } from '../secret/environment.ts'
import type { Build } from './build.ts'
import { BuildFailure } from './build-failure.ts'

/**
 * The values `build.secrets` of `lockgate.yaml` names, from the newest configuration of the environment that is built for.
 * Throws BuildFailure `not_understood` for a name that is not there.
 */
export async function buildSecretsOf(context: Pick<Context, 'store' | 'sealer'>, build: Build, manifest: Manifest): Promise<Record<string, string>> {
  const names = manifest.build?.secrets ?? []
  if (names.length === 0) return {}
  const environment = await context.store.read.environments.get(EVERYTHING, build.environmentId)
  const head = await headRevision(context.store.read, environment)
  const values = head === null ? {} : await environmentOf(context, { configRevisionId: head.id })
  const secrets: Record<string, string> = {}
  for (const name of names) {
    const value = values[name]
    if (value === undefined)
      throw new BuildFailure(
        'not_understood',
        `build.secrets names ${name}, which ${environment.name} does not have: "lockgate config set --secret ${name}=…" sets it`,
      )
    secrets[name] = value
  }
  return secrets
}
