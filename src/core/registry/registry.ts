import type { ActorRef } from '../actor/actor.ts'
import type { SealedValue } from '../secret/secret.ts'

/** A registry of images and who we are for it. */
export interface Registry {
  /** `registry.example.net` or `127.0.0.1:5000`, as it stands before the first slash of an image's name. */
  readonly host: string
  readonly username: string
  readonly credential: SealedValue
  readonly actor: ActorRef
  readonly createdAt: number
}
