import { sha256 } from '../../lib/hash.ts'

/** A group of apps, its members and defaults. Its id stands in every table; one installation starts with one project. */
export interface Project {
  readonly id: string
  readonly name: string
  readonly createdAt: number
}

export const DEFAULT_PROJECT = 'default'

/** Above every number that a Dockerfile build gives away (700,000 to 1,700,000); no host and no image has users there. */
const FIRST_USER = 2_000_000
const USERS = 2 ** 30

/**
 * Number of the user, and of its group, as which builds of a project run and the apps that they make. The kernel counts inotify
 * watches, pending signals and pipe memory for each user: one project must not use up what another needs. Always the same for the
 * same project; two projects of a thousand have the same number with a probability of 1 in 2,000.
 */
export function userOf(projectId: string): number {
  return FIRST_USER + (Number.parseInt(sha256(projectId).slice(0, 8), 16) % USERS)
}
