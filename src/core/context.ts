import type { Edge } from '../drivers/edge/types.ts'
import type { Runtime } from '../drivers/runtime/types.ts'
import type { Clock } from '../lib/clock.ts'
import type { Range } from '../lib/ipv4.ts'
import type { Log } from '../lib/log.ts'
import type { Store } from '../store/types.ts'
import type { MaximaSettings } from './app/maxima.ts'
import type { ObservedInstance } from './instance/instance.ts'
import type { Sealer } from './secret/secret.ts'

/** What verbs and loops work with; the composition root makes it. Each takes only the part it needs. */
export interface Context {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly runtime: Runtime
  readonly edge: Edge
  readonly sealer: Sealer
  /** Keeps what instances print; asked before a container is removed. */
  readonly logs: { finished(observed: ObservedInstance): Promise<void> }
  readonly settings: CoreSettings
}

export interface CoreSettings {
  /** Apps are reached at `<app>.<apps domain>`. */
  readonly appsDomain: string
  /** Instances get their addresses from here, a /26 for each environment. */
  readonly instanceRange: Range
  /** Hosts at which API and console answer, and what an administrator reserved. */
  readonly consoleHosts: readonly string[]
  /** Hostnames need a DNS TXT record; `resolvers`: DNS servers to ask, empty for those of the machine. Null: they do not. */
  readonly domainProof: { readonly resolvers: readonly string[] } | null
  /** Bounds of what lockgate.yaml may ask for. */
  readonly maxima: MaximaSettings
  /** Whether code may be fetched without encryption. */
  readonly allowHttpSources: boolean
}
