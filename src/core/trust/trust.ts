/**
 * How far what runs in an environment is trusted, the least first. Caches of builds, artifacts that are used again, secrets and
 * network are apart for each level: nothing flows from a lower level to a higher one, but by the promotion of a person.
 */
export const TRUST_LEVELS = ['untrusted', 'ordinary', 'protected'] as const
export type Trust = (typeof TRUST_LEVELS)[number]

/** Whether what was made at one level may be used at the other without a person who says so. */
export function isTrustedFor(made: Trust, used: Trust): boolean {
  return TRUST_LEVELS.indexOf(made) >= TRUST_LEVELS.indexOf(used)
}

/** The highest of some levels; of none the lowest there is. */
export function highestTrust(levels: readonly Trust[]): Trust {
  return levels.reduce((highest, level) => (isTrustedFor(level, highest) ? level : highest), 'untrusted')
}

/** The lower of two levels. */
export function lowerTrust(one: Trust, other: Trust): Trust {
  return isTrustedFor(one, other) ? other : one
}
