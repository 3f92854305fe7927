import type { Handler } from '../call.ts'
import type { EndpointName } from '../contract/endpoints.ts'
import { access } from './access.ts'
import { apps } from './apps.ts'
import { builds } from './builds.ts'
import { config } from './config.ts'
import { deployments } from './deployments.ts'
import { installation } from './installation.ts'
import { logs } from './logs.ts'
import { sources } from './sources.ts'

/** One handler for each endpoint: a missing one does not compile. */
export const handlers: Readonly<Record<EndpointName, Handler>> = {
  ...access,
  ...apps,
  ...builds,
  ...config,
  ...deployments,
  ...installation,
  ...logs,
  ...sources,
}
