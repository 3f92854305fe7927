import { z } from 'zod'
import { detect, filesToRead } from '../../../core/build/detect.ts'
import { InvalidError, RejectedError } from '../../../lib/errors.ts'
import { readIfThere } from '../../../lib/files.ts'
import type { Log } from '../../../lib/log.ts'
import type { Driver } from '../../driver.ts'
import type { Boxes } from '../../runtime/types.ts'
import { Bases } from '../bases/index.ts'
import type { Builder, BuildRequest, BuildResult } from '../types.ts'
import { hostSettings } from './host-settings.ts'
import { makefileBuild, nodeBuild, staticBuild } from './kinds.ts'
import { cacheOf, Workshop, type Yard } from './workshop.ts'

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
    appMb: z.int().min(1).max(102_400).default(4096).describe('Most an app may be, unpacked: what is left to run after its build'),
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
  create: async (config, { boxes, log }) => {
    if (boxes === null)
      throw new InvalidError('builder.no_boxes', 'The box builder needs a runtime that gives boxes: choose the runtime docker, or the builder fake')
    const settings = config.hostPackageSettings ? await hostSettings(process.env) : { env: {}, notes: [] }
    for (const note of settings.notes) log.warn('package setting of the host left out', { note })
    const bases = new Bases({ boxes, registry: config.basesRegistry, log })
    const caBundle = await readBundle(config.caBundle)
    return openBuilder({ boxes, bases, installation: config.installation, env: settings.env, caBundle, freeDiskMb: config.freeDiskMb, appMb: config.appMb })
  },
}

function openBuilder(yard: Yard): Builder {
  return {
    recipe: async () => null,
    build: async (request) => {
      try {
        return await build(yard, request)
      } finally {
        // Also what a cancelled transfer may still hold. A failure here must not hide how the build went: `clean` comes again.
        await yard.boxes.removeAll(request.buildId).catch(() => undefined)
      }
    },
    clean: (buildId) => yard.boxes.removeAll(buildId),
    forget: (appId) => yard.boxes.removeVolume(cacheOf(yard, appId)),
  }
}

async function build(yard: Yard, request: BuildRequest): Promise<BuildResult> {
  const workshop = new Workshop(yard, request)
  const texts: Record<string, string | null> = {}
  for (const name of filesToRead(request.files)) texts[name] = await request.readFile(name)
  const detected = detect({ files: request.files, texts, build: request.manifest.build })
  const chosen = `${detected.kind}: ${detected.why}`
  workshop.note(`Building as ${chosen}`)
  const made =
    detected.kind === 'makefile'
      ? await makefileBuild(workshop, detected)
      : detected.kind === 'node'
        ? await nodeBuild(workshop, detected)
        : await staticBuild(workshop, detected)
  return { ...made, chosen, releaseCommand: null, tests: [] }
}

async function readBundle(path: string | null | undefined): Promise<string | null> {
  if (path === null) return null
  const text = await readIfThere(path ?? HOST_BUNDLE)
  if (text === null && path !== undefined)
    throw new RejectedError('builder.no_ca_bundle', `There is no certificate bundle ${path}: correct caBundle, or leave it out`)
  return text
}
