import type { z } from 'zod'
import { EVERYTHING } from '../../core/actor/actor.ts'
import { parseManifest } from '../../core/app/parse-manifest.ts'
import type { BuildPlan, Checkout, ImageChoice } from '../../core/build/build-plan.ts'
import { leftOut } from '../../core/build/left-out.ts'
import { filesToRead, planBuild } from '../../core/build/plan.ts'
import { readFolder } from '../../core/build/read-folder.ts'
import { targetOf } from '../../core/environment/target.ts'
import { maximaOf } from '../../core/project/maxima.ts'
import type { Registry } from '../../core/registry/registry.ts'
import { removeRegistry, setRegistry } from '../../core/registry/set.ts'
import { lookAt } from '../../core/source/poll.ts'
import { fingerprintOf, removeSource, setSource } from '../../core/source/set.ts'
import type { CodeSource } from '../../core/source/source.ts'
import { NotFoundError } from '../../lib/errors.ts'
import type { CallOf, Handlers, Handling } from '../call.ts'
import type { endpoints } from '../contract/endpoints.ts'
import type * as resource from '../contract/resources.ts'

async function sourceOf(handling: Handling, { app }: Pick<CallOf<'readSource'>, 'app'>): Promise<CodeSource> {
  const source = await handling.store.read.sources.find({ projectId: app.projectId }, app.id)
  if (source === null) throw new NotFoundError('source.none', `The code of ${app.name} is pushed: "lockgate source set ${app.name} URL" has it fetched.`)
  return source
}

function showSource(source: CodeSource): z.input<typeof resource.CodeSource> {
  return {
    url: source.url,
    credential: source.kind,
    username: source.username,
    submodules: [...source.submodules],
    hostKeys: source.knownHosts
      .split('\n')
      .filter((line) => line !== '')
      .map(fingerprintOf),
    everySeconds: source.everyMs / 1000,
    checkedAt: source.checkedAt,
    nextAt: source.nextAt,
    problem: source.problem,
    failures: source.failures,
  }
}

async function set(handling: Handling, call: CallOf<'setSource'>): Promise<z.input<typeof endpoints.setSource.response>> {
  const { url, token, key, newKey, username, hostKey, everySeconds, submodules } = call.body
  const credential = newKey
    ? ({ kind: 'new-key' } as const)
    : token !== undefined
      ? ({ kind: 'token', secret: token } as const)
      : key !== undefined
        ? ({ kind: 'key', secret: key } as const)
        : null
  const { source, publicKey } = await setSource(handling, handling.source, {
    actor: call.actor,
    app: call.app,
    url,
    username: username ?? null,
    credential,
    fingerprint: hostKey ?? null,
    everyMs: everySeconds * 1000,
    submodules,
  })
  return { source: showSource(source), publicKey }
}

async function check(handling: Handling, call: CallOf<'checkSource'>): Promise<z.input<typeof endpoints.checkSource.response>> {
  const app = call.app
  const source = await sourceOf(handling, call)
  const looked = await lookAt(handling, handling.source, { app, source })
  const environments = await handling.store.read.environments.list(EVERYTHING, { where: { appId: app.id, goneAt: null } })
  const refs = Object.entries(looked.seen).map(([ref, commit]) => ({ ref, commit, environment: targetOf(environments, ref)?.name ?? null }))
  return { source: showSource(looked), refs }
}

function showRegistry({ host, username, trust, actor, createdAt }: Registry): z.input<typeof resource.Registry> {
  return { host, username, trust, actor, createdAt }
}

function showPlan(plan: BuildPlan): z.input<typeof resource.Detected> {
  const why = [...plan.why]
  if (plan.kind === 'dockerfile') return { kind: plan.kind, why, builder: null, runner: null, steps: [], command: null }
  const steps = plan.steps.map(({ name, phase }) => ({ name, phase }))
  return { kind: plan.kind, why, builder: plan.builder && nameOf(plan.builder), runner: nameOf(plan.runner), steps, command: plan.command && [...plan.command] }
}

function nameOf(choice: ImageChoice): string {
  return 'image' in choice ? choice.image : `lockgate/${choice.base}${choice.version === null ? '' : ` ${choice.version}`}`
}

/** With what of the checkout would not be used. */
function planned(checkout: Checkout): ReturnType<typeof showPlan> {
  const plan = planBuild(checkout)
  return showPlan({ ...plan, why: [...plan.why, ...leftOut(checkout, plan)] })
}

export const sources = {
  readSource: async (handling, call) => showSource(await sourceOf(handling, call)),
  setSource: set,
  checkSource: check,
  removeSource: async (handling, call) => {
    await removeSource(handling, { actor: call.actor, app: call.app })
    return { removed: true }
  },
  detect: async (handling, call) => {
    const app = call.app
    const { commitId } = await handling.source.resolve(app.name, call.query.ref)
    const tree = await handling.source.open({ app: app.name, commitId, root: app.root })
    const texts: Record<string, string | null> = {}
    for (const name of filesToRead(tree.files)) texts[name] = await tree.read(name)
    return planned({ files: tree.files, texts, manifest: parseManifest((await tree.read('lockgate.yaml')) ?? '', await maximaOf(handling, app.projectId)) })
  },
  detectFolder: async (handling, call) => {
    const { files, texts } = await readFolder(call.body)
    return planned({ files, texts, manifest: parseManifest(texts['lockgate.yaml'] ?? '', await maximaOf(handling, call.actor.projectId)) })
  },
  listRegistries: async (handling) => (await handling.store.read.registries.list(EVERYTHING, { orderBy: 'host' })).map(showRegistry),
  setRegistry: async (handling, call) => showRegistry(await setRegistry(handling, { actor: call.actor, ...call.body })),
  removeRegistry: async (handling, call) => showRegistry(await removeRegistry(handling, { actor: call.actor, host: call.params.host })),
} satisfies Partial<Handlers>
