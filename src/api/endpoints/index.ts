import type { Handlers } from '../call.ts'
import { access } from './access.ts'
import { apps } from './apps.ts'
import { builds } from './builds.ts'
import { config } from './config.ts'
import { deployments } from './deployments.ts'
import { installation } from './installation.ts'
import { logs } from './logs.ts'
import { sources } from './sources.ts'

/** One handler for each endpoint: a missing one does not compile. */
export const handlers: Handlers = {
  ...access,
  ...apps,
  ...builds,
  ...config,
  ...deployments,
  ...installation,
  ...logs,
  ...sources,
}
