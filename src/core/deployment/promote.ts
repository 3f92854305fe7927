import { ConflictError } from '../../lib/errors.ts'
import type { Actor } from '../actor/actor.ts'
import { mustBeAllowed } from '../actor/may.ts'
import type { App } from '../app/app.ts'
import type { Artifact } from '../artifact/artifact.ts'
import { type Engine, howToGetAgain, mayBePresent } from '../artifact/present.ts'
import { type Opened, queueBuild } from '../build/open.ts'
import { otherValues } from '../build/secrets.ts'
import type { Context } from '../context.ts'
import type { Environment } from '../environment/environment.ts'
import { lowerTrust } from '../trust/trust.ts'
import { deployArtifact } from './deploy.ts'

export interface Promote {
  readonly actor: Actor
  readonly app: App
  /** Whose live release is moved on. */
  readonly from: Environment
  readonly to: Environment
}

type Needs = Pick<Context, 'store' | 'clock' | 'sealer'> & { readonly runtime: Engine }
/** `builtIn`: keys of `build.secrets` that the image was built with other values of than its new environment has. */
export type Promoted = Opened & { readonly builtIn: readonly string[] }

/**
 * Moves the artifact that one environment runs to another, without a build: the same image with the configuration of the
 * other. Where the other asks for a verification, that goes first, as a build that deploys the same artifact when it agrees.
 * Throws ConflictError `promotion.nothing_there`, `promotion.same_environment`, `promotion.not_proven`,
 * `promotion.cannot_verify`, ForbiddenError `actor.may_not` where the image holds values of `from` that the actor has no right to, and what
 * `deployArtifact` throws.
 */
export async function promote(context: Needs, input: Promote): Promise<Promoted> {
  const { actor, app, from, to } = input
  if (from.id === to.id) throw new ConflictError('promotion.same_environment', `${from.name} cannot be promoted to itself.`)
  const artifact = await liveArtifact(context, from)
  refuseUnverifiable(artifact, input)
  const now = context.clock.now()
  const builtIn = await otherValues(context, to, artifact)
  // They stand in the image, and who may run commands there reads them.
  if (builtIn.length > 0) mustBeAllowed(actor, 'environment.operate', from)
  const opened = await context.store.transaction(async (tx): Promise<Opened> => {
    if (to.verify === 'off') {
      const { deployment } = await deployArtifact(tx, { actor, environment: to, artifact, manifest: null, buildId: null, promotes: true, now })
      return { build: null, deployment }
    }
    const build = await queueBuild(tx, {
      actor,
      app,
      environment: to,
      ref: `refs/lockgate/promotions/${from.name}`,
      commitId: artifact.commitId ?? '',
      purpose: to.verify === 'test' ? 'test' : 'compare',
      artifactId: artifact.id,
      // Its tests run its own code; built again for a comparison is what the code of a stranger would be, too.
      trust: to.verify === 'test' || artifact.trust === 'untrusted' ? lowerTrust(artifact.trust, to.trust) : to.trust,
      rebuild: true,
      now,
    })
    return { build, deployment: null }
  })
  return { ...opened, builtIn }
}

async function liveArtifact(context: Needs, from: Environment): Promise<Artifact> {
  const scope = { projectId: from.projectId }
  const { read } = context.store
  const release = from.wish.releaseId === null ? null : await read.releases.get(scope, from.wish.releaseId)
  if (release === null) throw new ConflictError('promotion.nothing_there', `Nothing was deployed to ${from.name} yet.`)
  if (release.liveAt === null)
    throw new ConflictError('promotion.not_proven', `No deployment of what ${from.name} is to run has succeeded yet: promote it when it has.`)
  const artifact = await read.artifacts.get(scope, release.artifactId)
  if (!(await mayBePresent(context, artifact)))
    throw new ConflictError(
      'promotion.nothing_there',
      `The image of ${from.name}'s release (${artifact.origin}) is not in the engine any more: ${await howToGetAgain(read, artifact, from.name)}.`,
    )
  return artifact
}

function refuseUnverifiable(artifact: Artifact, { from, to }: Promote): void {
  if (to.verify === 'off') return
  const how = `"lockgate environment set APP ${to.name} --verify off" promotes without it`
  if (artifact.commitId === null)
    throw new ConflictError(
      'promotion.cannot_verify',
      `${to.name} wants a verification (${to.verify}), and ${from.name} runs an image that was not built here: there is nothing to verify it by; ${how}.`,
    )
  if (to.verify === 'rebuild' && artifact.content === null)
    throw new ConflictError(
      'promotion.cannot_verify',
      `${to.name} wants a rebuild, and the files of ${artifact.origin} cannot be compared one by one (it was built by a Dockerfile): use --verify test, or ${how}.`,
    )
}
