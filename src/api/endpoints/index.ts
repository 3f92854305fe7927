import type { Source } from '../../core/build/source.ts'
import type { Context } from '../../core/context.ts'
import type { LogBook } from '../../core/log/book.ts'
import type { Sight } from '../../core/loops.ts'
import type { EndpointName } from '../contract/endpoints.ts'
import type { Handler } from '../server.ts'
import { access } from './access.ts'
import { apps } from './apps.ts'
import { builds } from './builds.ts'
import { config } from './config.ts'
import { deployments } from './deployments.ts'
import { installation } from './installation.ts'
import { logs } from './logs.ts'

/** What handlers work with. */
export interface Handling extends Context {
  readonly version: string
  readonly sight: Sight
  readonly source: Source
  readonly book: LogBook
  /** The public URL of a hostname and path of an app. */
  readonly urlOf: (host: string, path: string) => string
  readonly edgePort: number
  readonly apiUrl: string
  /** Checks of the machine that only the composition root knows: ports, disk, data directory. */
  readonly machineChecks: () => Promise<readonly { readonly area: string; readonly name: string; readonly ok: boolean; readonly sentence: string }[]>
}

/** One handler for each endpoint: a missing one does not compile. */
export const handlers: Readonly<Record<EndpointName, Handler>> = { ...access, ...apps, ...builds, ...config, ...deployments, ...installation, ...logs }
