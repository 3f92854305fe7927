import { z } from 'zod'

/** Names that would shadow a word of the CLI, a host of ours or an environment. */
export const RESERVED_NAMES: readonly string[] = [
  'lockgate',
  'api',
  'console',
  'edge',
  'git',
  'localhost',
  'www',
  'all',
  'default',
  'stable',
  'candidate',
  'preview',
  'previews',
  'production',
  'staging',
  'new',
  'none',
]

const NAME = /^[a-z]([a-z0-9-]{0,37}[a-z0-9])?$/
const RULE = 'a name starts with a letter, holds only a-z, 0-9 and "-", ends with a letter or digit, and has at most 39 characters'

/** The name of an app: part of a hostname, a container's name and a git URL, and unique in the installation. */
export const AppName = z
  .string()
  .max(300)
  .regex(NAME, RULE)
  .refine((name) => !RESERVED_NAMES.includes(name), 'Lockgate keeps this name for itself: choose another')
  .refine((name) => !name.includes('--'), '"--" separates an app from its environment in the names we make')
  .brand<'AppName'>()
  .describe('Name of an app')
export type AppName = z.infer<typeof AppName>

/** The name of an environment; the first of an app is `production`. */
export const EnvironmentName = z
  .string()
  .max(300)
  .regex(/^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/, 'an environment name is like an app name, with at most 20 characters')
  .brand<'EnvironmentName'>()
  .describe('Name of an environment')
export type EnvironmentName = z.infer<typeof EnvironmentName>

export const PRODUCTION = 'production' as EnvironmentName

export interface App {
  readonly id: string
  readonly projectId: string
  readonly name: AppName
  /** Folder of its repository it lives in; '' is all of it. */
  readonly root: string
  /** Patterns of paths; a push that changes none of them is not built. Empty: every push is. */
  readonly watch: readonly string[]
  readonly createdAt: number
  /** Set when removal was asked for; the row goes when nothing of the app runs any more. */
  readonly removedAt: number | null
  /** When nothing of it was left; the name is free from then on. */
  readonly goneAt: number | null
  readonly version: number
}
