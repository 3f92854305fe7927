import { z } from 'zod'
import type { Checkout, ImageChoice } from '../../../core/build/build-plan.ts'
import { leftOut } from '../../../core/build/left-out.ts'
import { describePlan, filesToRead, planBuild } from '../../../core/build/plan.ts'
import { userOf } from '../../../core/project/project.ts'
import { TRUST_LEVELS } from '../../../core/trust/trust.ts'
import { codeOf, InvalidError, RejectedError } from '../../../lib/errors.ts'
import { readIfThere } from '../../../lib/files.ts'
import { sha256 } from '../../../lib/hash.ts'
import type { Log } from '../../../lib/log.ts'
import type { Driver } from '../../driver.ts'
import type { Boxes } from '../../runtime/types.ts'
import { Bases } from '../bases/index.ts'
import { APP_USER } from '../bases/recipe.ts'
import type { Builder, BuildRequest, BuildResult } from '../types.ts'
import { buildDockerfile, dockerfileRecipe } from './dockerfile.ts'
import { dockerfileCheck } from './dockerfile-check.ts'
import { CA_ENV, CA_PATH, hostSettings } from './host-settings.ts'
import { ImageStore, sharedStore } from './image-store.ts'
import { PackageMirrors, packageEnv, packageFiles } from './package-mirrors.ts'
import { buildSteps } from './steps.ts'
import { testArtifact } from './test-artifact.ts'
import { Workshop } from './workshop.ts'
import { cacheOf, type Yard } from './yard.ts'

const HOST_BUNDLE = '/etc/ssl/certs/ca-certificates.crt'

const Config = z
  .strictObject({
    installation: z
      .string()
      .regex(/^[a-z0-9]{1,16}$/, 'a short id of small letters and digits')
      .describe('Stands in the names of boxes, caches and images'),
    basesRegistry: z
      .string()
      .regex(/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*$/, 'a registry and a path, such as 127.0.0.1:5000/lockgate')
      .nullable()
      .default(null)
      .describe('Registry that holds the base images; what it lacks is made here and pushed to it'),
    caBundle: z
      .string()
      .max(4000)
      .nullable()
      .optional()
      .describe(`File of certificates that builds trust. Default: ${HOST_BUNDLE} where it exists; null: none`),
    hostPackageSettings: z
      .boolean()
      .default(true)
      .describe('Use the proxies and package registries this host is set up with in builds; never its passwords and tokens'),
    packageMirrors: PackageMirrors,
    appMb: z.int().min(1).max(102_400).default(4096).describe('Most an app may be, unpacked: what is left to run after its build'),
    registryMirrors: z
      .array(z.string().regex(/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*$/, 'a registry, such as mirror.example.net:5000'))
      .max(10)
      .default([])
      .describe('Registries that hold what Docker Hub holds: asked before it for the images Dockerfiles begin from'),
    imagesMb: z.int().min(1024).max(1_048_576).default(20_480).describe('Most the images that Dockerfiles begin from may take, apart from those in the engine'),
    requireFilter: z
      .boolean()
      .default(false)
      .describe('Build nothing where what keeps builds out of private networks cannot be put in force; else only untrusted changes go without network'),
    freeDiskMb: z.int().min(0).default(2048).describe('Nothing is built while less than this is free on the disk of the engine'),
  })
  .describe('Builds in limited containers')

/** What the box builder needs of the others. */
export interface BoxNeeds {
  readonly boxes: Boxes | null
  readonly log: Log
}

export const box: Driver<Builder, typeof Config, BoxNeeds> = {
  name: 'box',
  Config,
  given: ({ installation }) => ({ installation }),
  create: async (config, { boxes, log }) => {
    if (boxes === null)
      throw new InvalidError('builder.no_boxes', 'The box builder needs a runtime that gives boxes: choose the runtime docker, or the builder fake')
    const settings = config.hostPackageSettings ? await hostSettings(process.env) : { env: {}, notes: [] }
    for (const note of settings.notes) log.warn('package setting of the host left out', { note })
    const caBundle = await readBundle(config.caBundle)
    const env = packageEnv(config.packageMirrors, settings.env)
    const files = [...packageFiles(config.packageMirrors), ...(caBundle === null ? [] : [{ name: CA_PATH.slice(1), text: caBundle }])]
    const online = { env: { ...env, ...(caBundle === null ? {} : CA_ENV) }, files }
    const bases = new Bases({ boxes, registry: config.basesRegistry, online, debianMirror: config.packageMirrors.debian ?? null, log })
    const { installation, freeDiskMb, requireFilter, appMb, registryMirrors } = config
    const images = new ImageStore(boxes, sharedStore(installation, config.imagesMb))
    return openBuilder({ boxes, bases, images, installation, env, files, caBundle, freeDiskMb, requireFilter, appMb, registryMirrors })
  },
}

function openBuilder(yard: Yard): Builder {
  return {
    recipe: (request) => recipeOf(yard, request),
    test: (request, artifact) => testArtifact(yard, request, artifact),
    build: async (request) => {
      try {
        return await build(yard, request)
      } finally {
        // Also what a cancelled transfer may still hold. A failure here must not hide how the build went: `clean` comes again.
        await yard.boxes.removeAll(request.buildId).catch(() => undefined)
      }
    },
    checks: async () => [await dockerfileCheck(yard)],
    clean: (buildId) => yard.boxes.removeAll(buildId),
    forget: async (appId) => {
      for (const trust of TRUST_LEVELS) await yard.boxes.removeVolume(cacheOf(yard, { appId, trust }))
    },
  }
}

async function build(yard: Yard, request: BuildRequest): Promise<BuildResult> {
  const checkout = await checkoutOf(request)
  const plan = planBuild(checkout)
  // The images that Dockerfiles begin from lie in one store, whose files belong to one user.
  const workshop = new Workshop(yard, request, plan.kind === 'dockerfile' ? APP_USER : userOf(request.projectId))
  const chosen = describePlan(plan)
  workshop.note(`Building as ${chosen}`)
  for (const sentence of leftOut(checkout, plan)) workshop.note(sentence)
  if (plan.kind === 'dockerfile') return { ...(await buildDockerfile(yard, workshop, plan)), chosen, releaseCommand: null, tests: [], content: null }
  return { ...(await buildSteps(workshop, plan)), chosen, releaseCommand: plan.releaseCommand, content: workshop.content }
}

async function checkoutOf(request: BuildRequest): Promise<Checkout> {
  const texts: Record<string, string | null> = {}
  for (const name of filesToRead(request.files)) texts[name] = await textOf(request, name)
  return { files: request.files, texts, manifest: request.manifest }
}

async function textOf(request: BuildRequest, name: string): Promise<string | null> {
  try {
    return await request.readFile(name)
  } catch (error) {
    if (codeOf(error) === 'source.file_too_large') return null
    throw error
  }
}

/** Two trees with the same recipe are the same build; null where an image somebody named may be another tomorrow. */
async function recipeOf(yard: Yard, request: BuildRequest): Promise<string | null> {
  const plan = planBuild(await checkoutOf(request))
  if (plan.kind === 'dockerfile') return dockerfileRecipe(yard, request, plan)
  const tags = await Promise.all([plan.builder, plan.runner].map((choice) => (choice === null ? '' : idOf(yard, choice))))
  return tags.includes(null) ? null : sha256(JSON.stringify([plan, tags, request.values, userOf(request.projectId)])).slice(0, 16)
}

async function idOf(yard: Yard, choice: ImageChoice): Promise<string | null> {
  if (!('image' in choice)) return yard.bases.tag(choice)
  return choice.image.includes('@sha256:') ? choice.image : null
}

async function readBundle(path: string | null | undefined): Promise<string | null> {
  if (path === null) return null
  const text = await readIfThere(path ?? HOST_BUNDLE)
  if (text === null && path !== undefined)
    throw new RejectedError('builder.no_ca_bundle', `There is no certificate bundle ${path}: correct caBundle, or leave it out`)
  return text
}
