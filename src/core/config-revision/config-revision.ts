import { z } from 'zod'
import type { ActorRef } from '../actor/actor.ts'

/** The name of a configuration key: an environment variable. */
export const ConfigKey = z
  .string()
  .max(200)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a key is the name of an environment variable: letters, digits and "_", not starting with a digit')
  .refine((key) => !/^LOCKGATE_/i.test(key), 'keys that start with LOCKGATE_ are ours')
  .refine((key) => key !== '__proto__', '"__proto__" cannot be the name of a key')
  .refine((key) => key !== 'PORT', 'PORT is set by Lockgate: put `port:` into lockgate.yaml')
  .describe('Configuration key')

export type ConfigValue =
  | { readonly kind: 'plain'; readonly value: string }
  | { readonly kind: 'secret'; readonly secretId: string; readonly secretVersion: number }

/** An immutable, numbered configuration of an environment. */
export interface ConfigRevision {
  readonly id: string
  readonly projectId: string
  readonly environmentId: string
  readonly number: number
  readonly values: Readonly<Record<string, ConfigValue>>
  /** Why it is there: `set FOO`, `rollback to r12`. */
  readonly note: string
  readonly actor: ActorRef
  readonly createdAt: number
}
