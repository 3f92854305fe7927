import { ownOf } from '../../lib/own.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Manifest } from '../app/manifest.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { headRevision } from '../config-revision/revise.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import { variablesOf } from '../secret/variables.ts'
import { BuildFailure } from './build-failure.ts'

type Values = Pick<Context, 'store' | 'sealer'>

/**
 * The values `build.secrets` of `lockgate.yaml` names, from the newest configuration of the environment that is built for.
 * Throws BuildFailure `not_understood` for a name that is not there.
 */
export async function buildSecretsOf(context: Values, build: { readonly environmentId: string }, manifest: Manifest): Promise<Record<string, string>> {
  const names = manifest.build?.secrets ?? []
  if (names.length === 0) return {}
  const environment = await context.store.read.environments.get(EVERYTHING, build.environmentId)
  const head = await headRevision(context.store.read, environment)
  const values = head === null ? {} : await variablesOf(context, { configRevisionId: head.id })
  const secrets: Record<string, string> = {}
  for (const name of names) {
    const value = ownOf(values, name)
    if (value === undefined)
      throw new BuildFailure(
        'not_understood',
        `build.secrets names ${name}, which ${environment.name} does not have: "lockgate config set --secret ${name}=…" sets it`,
      )
    secrets[name] = value
  }
  return secrets
}

/** A keyed hash of each value that a build is given: what is recorded of them and compared. */
export function hashedValues({ sealer }: Pick<Context, 'sealer'>, secrets: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, sealer.fingerprint(name, value)]))
}

/** The hashes of the values that a build for this environment would be given; null: one of them is not there. */
export async function buildValuesOf(context: Values, build: { readonly environmentId: string }, manifest: Manifest): Promise<Record<string, string> | null> {
  try {
    return hashedValues(context, await buildSecretsOf(context, build, manifest))
  } catch (error) {
    if (error instanceof BuildFailure) return null
    throw error
  }
}

/** Keys of `build.secrets` whose values in an environment are not those that an image was built with. */
export async function otherValues(context: Values, environment: Environment, { buildValues }: Pick<Artifact, 'buildValues'>): Promise<string[]> {
  const head = Object.keys(buildValues).length === 0 ? null : await headRevision(context.store.read, environment)
  const values = head === null ? {} : await variablesOf(context, { configRevisionId: head.id })
  return Object.entries(buildValues)
    .filter(([name, hash]) => {
      const value = ownOf(values, name)
      return value === undefined || context.sealer.fingerprint(name, value) !== hash
    })
    .map(([name]) => name)
    .toSorted()
}
