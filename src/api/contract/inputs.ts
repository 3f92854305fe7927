// What endpoints take in more than one place.
import { z } from 'zod'
import { AppName, EnvironmentName } from '../../core/app/app.ts'
import { REGISTRY_TRUSTS } from '../../core/registry/registry.ts'
import { isShortRefName } from '../../lib/ref-name.ts'

export const AppParams = z.object({ app: AppName })
export const EnvironmentParams = z.object({ app: AppName, environment: EnvironmentName })
export const IdParams = z.object({
  id: z
    .string()
    .max(64)
    .regex(/^[a-z0-9-]+$/),
})
/** Numbers of releases, revisions, events: more than there will ever be. */
export const MOST_ROWS = 1_000_000_000_000
/** A whole number of a query, written in digits: nothing that only a program would read as one (`0x10`, `1e3`, a blank). */
export function whole(least: number, most: number) {
  return z.preprocess((text) => (typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : text), z.int('a whole number').min(least).max(most))
}
export const Limit = whole(1, 1000).default(50)
export const LogQuery = z.strictObject({
  lines: whole(0, 10_000).default(200).describe('How many of the last lines; streams go on from there'),
})
/** A branch or tag, or a pattern of them; nothing git would read as syntax. */
export const RefPattern = z
  .string()
  .min(1)
  .max(200)
  .refine((pattern) => isShortRefName(pattern.replaceAll('*', 'x')), 'a name that git allows, or a pattern such as release/*')
  .refine((pattern) => (pattern.match(/\*/g)?.length ?? 0) <= 4, 'at most four *')
/** Paths of a repository: `services/shop/**`. */
export const PathPattern = z
  .string()
  .min(1)
  .max(200)
  .regex(/^(?!\/)[^\0\n\\]+$/, 'a path or a pattern such as services/shop/**')
  .refine((pattern) => !pattern.split('/').includes('..'), 'a path inside the repository')
  .refine((pattern) => (pattern.match(/\*+/g)?.length ?? 0) <= 4, 'at most four groups of *')
export const RootFolder = z
  .string()
  .max(200)
  .regex(/^([A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*)?$/, 'a folder inside the repository; empty for all of it')
  .refine((path) => !path.split('/').some((part) => part === '..' || part === '.' || part === '.git'), 'a folder inside the repository')
export const Here = '/v1/apps/:app/environments/:environment'
export const Name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]*$/u, 'a name has letters, digits, spaces and . _ @ -')

export const Planning = { plan: z.boolean().default(false).describe('Only say which steps this would take') }

/** A verb and what it takes. */
export const OpenDeployment = z.discriminatedUnion('verb', [
  z
    .strictObject({
      verb: z.literal('deploy'),
      image: z.string().min(1).max(500).optional().describe('NAME:TAG, resolved once to a digest'),
      ref: z.string().min(1).max(255).optional().describe('Branch, tag or commit that was pushed; default: the branch of the environment'),
      rebuild: z.boolean().default(false).describe('Build although the commit was built before'),
      manifest: z.string().max(65_536).optional().describe('With image: the text of a lockgate.yaml'),
      ...Planning,
    })
    .refine((asked) => asked.image === undefined || (asked.ref === undefined && !asked.rebuild), 'image goes without ref and rebuild: an image is not built')
    .refine((asked) => asked.manifest === undefined || asked.image !== undefined, 'manifest goes with image: a pushed commit brings its own lockgate.yaml'),
  z.strictObject({
    verb: z.literal('rollback'),
    to: z.int().min(1).max(MOST_ROWS).optional().describe('Number of the release; default: the last good one'),
    force: z.boolean().default(false).describe('Also where the release forbids that anything goes back from it'),
    ...Planning,
  }),
  z.strictObject({ verb: z.literal('restart'), ...Planning }),
  z.strictObject({ verb: z.literal('stop'), ...Planning }),
  z.strictObject({ verb: z.literal('start'), ...Planning }),
  z.strictObject({ verb: z.literal('scale'), count: z.int().min(1).max(1000), ...Planning }),
])

export const RegistryLevel = z.enum(REGISTRY_TRUSTS).describe('The least level of environments that get the images of a registry')
