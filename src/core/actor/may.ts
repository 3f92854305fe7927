import { ForbiddenError } from '../../lib/errors.ts'
import { PRODUCTION } from '../app/app.ts'
import type { Environment } from '../environment/environment.ts'
import { type Actor, ROLES, type Role } from './actor.ts'

/** What can be allowed. Every route names one; there is no other way in. */
export const PERMISSIONS = {
  'app.read': 'see apps, environments, releases, deployments and builds',
  'log.read': 'read the logs of builds and instances',
  'event.read': 'read who did what',
  'config.read': 'read configuration; secrets are never shown',
  'app.create': 'create apps and environments',
  'source.push': 'push code and build it',
  'source.manage': 'say where code is fetched from and with which credential, and in which folder of it an app lives',
  'registry.manage': 'keep credentials of image registries',
  'environment.operate': 'deploy, roll back, restart, stop, start, scale, cancel, run commands',
  'environment.protect': 'change how far an environment is trusted',
  'config.write': 'change configuration',
  'domain.write': 'add and remove hostnames',
  'domain.claim_any': 'add hostnames that need an administrator: addresses, bare suffixes, wide wildcards',
  'app.remove': 'remove an app with all its environments',
  'token.manage': 'create, list and revoke tokens',
  'project.manage': 'create projects',
  'installation.inspect': 'ask doctor about the machine, and what takes its disk',
  'installation.clean': 'remove what nobody needs from the disk',
} as const
export type Permission = keyof typeof PERMISSIONS

/** The least role that has a permission; production asks for more, see below. */
const LEAST_ROLE = {
  'app.read': 'viewer',
  'log.read': 'viewer',
  'event.read': 'viewer',
  'config.read': 'developer',
  'app.create': 'developer',
  'source.push': 'developer',
  'source.manage': 'releaser',
  'registry.manage': 'admin',
  'environment.operate': 'developer',
  'environment.protect': 'admin',
  'config.write': 'developer',
  'domain.write': 'releaser',
  'domain.claim_any': 'admin',
  'app.remove': 'admin',
  'token.manage': 'admin',
  'project.manage': 'admin',
  'installation.inspect': 'viewer',
  'installation.clean': 'admin',
} as const satisfies Record<Permission, Role>

/** What moves production, or another environment that is protected, needs this role at least. */
const PRODUCTION_ROLE: Partial<Record<Permission, Role>> = { 'environment.operate': 'releaser', 'config.write': 'releaser', 'source.push': 'releaser' }

/** What concerns all projects at once: not for a token of one. */
const WHOLE_INSTALLATION: readonly Permission[] = ['project.manage', 'domain.claim_any', 'registry.manage', 'installation.clean']

type Place = Pick<Environment, 'name'> & Partial<Pick<Environment, 'trust'>>

function isProtected(environment: Place | undefined): boolean {
  return environment?.name === PRODUCTION || environment?.trust === 'protected'
}

/** Whether the actor may; with an environment also whether there. Deny by default. */
export function may(actor: Actor, permission: Permission, environment?: Place): boolean {
  if (actor.projectId !== null && WHOLE_INSTALLATION.includes(permission)) return false
  const least = (isProtected(environment) ? PRODUCTION_ROLE[permission] : undefined) ?? LEAST_ROLE[permission]
  return ROLES.indexOf(actor.role) >= ROLES.indexOf(least)
}

/** Throws ForbiddenError `actor.may_not` unless the actor may. */
export function mustBeAllowed(actor: Actor, permission: Permission, environment?: Place): void {
  if (may(actor, permission, environment)) return
  if (actor.projectId !== null && WHOLE_INSTALLATION.includes(permission))
    throw new ForbiddenError(
      'actor.may_not',
      `${actor.name} is a token of one project and may not ${PERMISSIONS[permission]}. A token of the whole installation may.`,
    )
  const where = environment ? ` in ${environment.name}` : ''
  throw new ForbiddenError(
    'actor.may_not',
    `${actor.name} (${actor.role}) may not ${PERMISSIONS[permission]}${where}. An admin can create a token with a higher role.`,
  )
}
