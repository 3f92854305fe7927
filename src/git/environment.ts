/**
 * What git may take of memory whatever a stranger pushes: large blobs are streamed and never held whole, a push stays one pack
 * instead of being unpacked object by object, caches are small (git-config(1)).
 */
const BOUNDS: readonly (readonly [string, string])[] = [
  ['core.bigFileThreshold', '1m'],
  ['core.deltaBaseCacheLimit', '32m'],
  ['transfer.unpackLimit', '1'],
  ['pack.threads', '1'],
  ['pack.windowMemory', '64m'],
  ['pack.deltaCacheSize', '32m'],
]

/** Configuration by environment, after the bounds: a value never stands among arguments (git-config(1), GIT_CONFIG_COUNT). */
export function gitConfiguration(settings: readonly (readonly [string, string])[]): Record<string, string> {
  const all = [...BOUNDS, ...settings]
  const pairs = all.flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ])
  return { GIT_CONFIG_COUNT: String(all.length), ...Object.fromEntries(pairs) }
}

/** The environment of every git program: nothing of the host's configuration, no prompt, no other protocols, bounded memory. */
export const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'https:ssh',
  HOME: '/nonexistent',
  LC_ALL: 'C.UTF-8',
  ...gitConfiguration([]),
}
