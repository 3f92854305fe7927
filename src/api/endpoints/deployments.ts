import type { z } from 'zod'
import { type Actor, EVERYTHING } from '../../core/actor/actor.ts'
import { mustBeAllowed } from '../../core/actor/may.ts'
import { EMPTY_MANIFEST, type Manifest } from '../../core/app/manifest.ts'
import { parseManifest } from '../../core/app/parse-manifest.ts'
import { type Opened, openBuild } from '../../core/build/open.ts'
import { cancelDeployment } from '../../core/deployment/cancel.ts'
import { deployImage } from '../../core/deployment/deploy.ts'
import type { Deployment } from '../../core/deployment/deployment.ts'
import { isDeploymentFinished } from '../../core/deployment/deployment.ts'
import { restart, scale, start, stop } from '../../core/deployment/operate.ts'
import { pauseDeployment, resumeDeployment } from '../../core/deployment/pause.ts'
import { planAhead, stepsAhead } from '../../core/deployment/plan-ahead.ts'
import { promote } from '../../core/deployment/promote.ts'
import { rollback, rollbackTarget } from '../../core/deployment/rollback.ts'
import { findEnvironment } from '../../core/environment/create.ts'
import type { Environment } from '../../core/environment/environment.ts'
import { maximaOf } from '../../core/project/maxima.ts'
import { InvalidError } from '../../lib/errors.ts'
import { isGlob } from '../../lib/glob.ts'
import type { CallOf, Handlers, Handling, Named } from '../call.ts'
import type { endpoints } from '../contract/endpoints.ts'
import type { OpenDeployment } from '../contract/inputs.ts'
import { showBuild, showDeployment, showReleases, showStep } from '../show.ts'
import { watch } from './watch.ts'

type Asked = z.output<typeof OpenDeployment>
type Answer = z.input<typeof endpoints.openDeployment.response>

const NOTHING: Answer = { deployment: null, build: null, plan: null, undoes: [], notes: [] }

async function open(handling: Handling, call: CallOf<'openDeployment'>): Promise<Answer> {
  const asked = call.body
  if (asked.plan) return plan(handling, call, asked)
  const input = { actor: call.actor, environment: call.environment }
  switch (asked.verb) {
    case 'deploy':
      return deploy(handling, call, asked)
    case 'rollback': {
      const { deployment, undoes } = await rollback(handling, { ...input, to: asked.to ?? null, insists: asked.force })
      return opened(handling, deployment, { undoes: [...undoes] })
    }
    case 'restart':
      return opened(handling, await restart(handling, input))
    case 'stop':
      return opened(handling, await stop(handling, input))
    case 'start':
      return opened(handling, await start(handling, input))
    case 'scale':
      return opened(handling, await scale(handling, { ...input, count: asked.count }))
  }
}

async function opened(handling: Handling, deployment: Deployment, also: Partial<Pick<Answer, 'undoes' | 'notes'>> = {}): Promise<Answer> {
  return { ...NOTHING, deployment: await showDeployment(handling.store.read, deployment), ...also }
}

async function deploy(handling: Handling, call: CallOf<'openDeployment'>, asked: Extract<Asked, { verb: 'deploy' }>): Promise<Answer> {
  const { app, environment } = call
  if (asked.image !== undefined) {
    const { deployment, notes } = await deployImage(handling, {
      actor: call.actor,
      environment,
      image: asked.image,
      manifest: await manifestOf(handling, environment, asked),
    })
    return opened(handling, deployment, { notes: [...notes] })
  }
  if (asked.ref === undefined && isGlob(environment.branch))
    throw new InvalidError('ref.invalid', `${environment.name} is deployed from ${environment.branch}: name one of these branches with --ref.`)
  const { ref, commitId } = await handling.source.resolve(app.name, asked.ref ?? environment.branch)
  const { build, deployment } = await openBuild(handling, handling.source, { actor: call.actor, app, environment, ref, commitId, rebuild: asked.rebuild })
  if (deployment) return opened(handling, deployment)
  return { ...NOTHING, build: await showBuild(handling.store.read, build) }
}

async function deployFolder(
  handling: Handling,
  { actor, app, environment, body }: CallOf<'deployFolder'>,
): Promise<z.input<typeof endpoints.deployFolder.response>> {
  const { ref, commitId } = await handling.source.upload(app.name, body, { author: actor.name, at: handling.clock.now() })
  return openedAs(handling, await openBuild(handling, handling.source, { actor, app, environment, ref, commitId, rebuild: false }))
}

async function promoteHere(handling: Handling, { actor, app, environment, body }: CallOf<'promote'>): Promise<z.input<typeof endpoints.promote.response>> {
  const source = await findEnvironment(handling.store.read, app, body.from)
  const promoted = await promote(handling, { actor, app, from: source, to: environment })
  return { ...(await openedAs(handling, promoted)), builtIn: [...promoted.builtIn] }
}

async function openedAs(handling: Handling, { build, deployment }: Opened): Promise<Pick<Answer, 'deployment' | 'build'>> {
  return {
    deployment: deployment && (await showDeployment(handling.store.read, deployment)),
    build: build && (await showBuild(handling.store.read, build)),
  }
}

async function manifestOf(handling: Handling, environment: Environment, asked: { readonly manifest?: string | undefined }): Promise<Manifest> {
  return parseManifest(asked.manifest ?? '', await maximaOf(handling, environment.projectId))
}

/** `--plan`: the same list the reconciler would take, and nothing happens. */
async function plan(handling: Handling, { environment }: CallOf<'openDeployment'>, asked: Asked): Promise<Answer> {
  const releaseId = asked.verb === 'rollback' ? (await rollbackTarget(handling.store.read, environment, asked.to ?? null)).to.id : null
  const manifest = asked.verb === 'deploy' ? await manifestOf(handling, environment, asked) : EMPTY_MANIFEST
  const planned = await planAhead(handling, handling.sight, {
    environment,
    verb: asked.verb,
    releaseId,
    count: asked.verb === 'scale' ? asked.count : null,
    manifest,
  })
  return { ...NOTHING, plan: [...planned] }
}

/** A picture of a deployment: itself, its journal, and what is still planned. */
export async function liveDeployment(handling: Handling, deployment: Deployment): Promise<z.input<(typeof endpoints)['readDeployment']['response']>> {
  const { read } = handling.store
  const steps = await read.steps.list(EVERYTHING, { where: { deploymentId: deployment.id }, orderBy: 'seq' })
  const now = handling.clock.now()
  return {
    deployment: await showDeployment(read, deployment),
    steps: steps.map((step) => showStep(step, now)),
    planned: await stepsAhead(handling, handling.sight, deployment),
  }
}

/** A handler for what is done to a deployment that was opened. */
function steering(verb: (handling: Handling, input: { readonly actor: Actor; readonly id: string }) => Promise<Deployment>) {
  return async (handling: Handling, { actor, params: { id } }: Named) => {
    const deployment = await handling.store.read.deployments.get({ projectId: actor.projectId }, id)
    mustBeAllowed(actor, 'environment.operate', await handling.store.read.environments.get(EVERYTHING, deployment.environmentId))
    return showDeployment(handling.store.read, await verb(handling, { actor, id }))
  }
}

export const deployments = {
  openDeployment: open,
  deployFolder,
  promote: promoteHere,
  listDeployments: async (handling, call) => {
    const { limit } = call.query
    const list = await handling.store.read.deployments.list(EVERYTHING, {
      where: { environmentId: call.environment.id },
      orderBy: 'number',
      descending: true,
      limit,
    })
    return Promise.all(list.map((deployment) => showDeployment(handling.store.read, deployment)))
  },
  readDeployment: async (handling, { actor, params }) =>
    liveDeployment(handling, await handling.store.read.deployments.get({ projectId: actor.projectId }, params.id)),
  followDeployment: (handling, { actor, params, signal }) => {
    const look = async () => {
      const deployment = await handling.store.read.deployments.get({ projectId: actor.projectId }, params.id)
      return { data: await liveDeployment(handling, deployment), ended: isDeploymentFinished(deployment) }
    }
    return watch(handling.store, look, signal)
  },
  cancelDeployment: steering(cancelDeployment),
  pauseDeployment: steering(pauseDeployment),
  resumeDeployment: steering(resumeDeployment),
  listReleases: async (handling, call) => showReleases(handling.store.read, call.environment, call.query.limit),
} satisfies Partial<Handlers>
