// Pure: whether a hostname may be claimed at all, by whom, and what it would take from others.
import { isIP } from 'node:net'
import { getDomain, getPublicSuffix } from 'tldts'
import type { Domain, HostName } from './route.ts'

/** Names that are not for a project to take. */
export interface NameFacts {
  readonly appsDomain: string
  /** Hosts at which the API and console answer. */
  readonly consoleHosts: readonly string[]
}

/** Why a hostname is not an ordinary one. */
export type NameReason = 'generated' | 'address' | 'single_label' | 'bare_suffix' | 'wide_wildcard' | 'console'

/** PSL with its private part: `github.io` is a suffix too, under which strangers register names. */
const WITH_PRIVATE = { allowPrivateDomains: true }

/**
 * Why this hostname is reserved; null: any project may claim it. `generated` is for nobody, the other reasons need an
 * administrator of the whole installation.
 */
export function reservedBecause(host: HostName, facts: NameFacts): NameReason | null {
  const base = baseOf(host)
  const isWildcard = base !== host
  if (base === facts.appsDomain || base.endsWith(`.${facts.appsDomain}`)) return 'generated'
  if (isAddress(base)) return 'address'
  if (facts.consoleHosts.some((console) => console === host || covers(host, console))) return 'console'
  if (isWildcard && base.split('.').length < 2) return 'wide_wildcard'
  if (base.split('.').length < 2) return 'single_label'
  if (getPublicSuffix(base, WITH_PRIVATE) === base) return 'bare_suffix'
  return null
}

/** The first claim of another project that this hostname equals, covers with its wildcard, or lies under. */
export function rivalOf(host: HostName, projectId: string, claims: readonly Domain[]): Domain | null {
  const overlaps = (other: HostName): boolean => other === host || covers(host, other) || covers(other, host)
  return claims.find((claim) => claim.projectId !== projectId && overlaps(claim.host)) ?? null
}

/** Where a DNS TXT record can say that a project may use the name: at the name itself and above it, up to the registered domain. */
export function proofNames(host: HostName): string[] {
  const base = baseOf(host)
  const registered = getDomain(base, WITH_PRIVATE) ?? base
  const names: string[] = []
  for (let name = base; name.length >= registered.length; name = name.slice(name.indexOf('.') + 1)) {
    names.push(`_lockgate.${name}`)
    if (name === registered) break
  }
  return names
}

/** A wildcard stands for names one label below its base, as at the edge. */
function covers(wildcard: string, name: string): boolean {
  if (!wildcard.startsWith('*.')) return false
  return name.startsWith('*.') ? false : name.slice(name.indexOf('.') + 1) === wildcard.slice(2) && name.includes('.')
}

function baseOf(host: string): string {
  return host.startsWith('*.') ? host.slice(2) : host
}

/** What URL parsers read as an IPv4 address: dotted, short (127.1), decimal, octal or hexadecimal. */
function isAddress(name: string): boolean {
  const last = name.split('.').at(-1) ?? ''
  return isIP(name) !== 0 || /^(\d+|0x[0-9a-f]*)$/.test(last)
}
