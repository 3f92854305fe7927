import type { ActorRef } from '../actor/actor.ts'
import type { SealedValue } from '../secret/secret.ts'
import type { Trust } from '../trust/trust.ts'

/** Nothing that is not trusted is ever given a credential. */
export const REGISTRY_TRUSTS = ['ordinary', 'protected'] as const satisfies readonly Trust[]
export type RegistryTrust = (typeof REGISTRY_TRUSTS)[number]

/** A registry of images and who we are for it. */
export interface Registry {
  /** `registry.example.net` or `127.0.0.1:5000`, as it stands before the first slash of an image's name. */
  readonly host: string
  readonly username: string
  readonly credential: SealedValue
  /** The least level at which its credential and its images are used. */
  readonly trust: RegistryTrust
  readonly actor: ActorRef
  readonly createdAt: number
}

/** Who we are for a registry, opened: for the engine and nobody else. */
export interface RegistryCredential {
  readonly host: string
  readonly username: string
  readonly password: string
}
