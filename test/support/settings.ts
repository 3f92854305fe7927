import type { CoreSettings } from '../../src/core/context.ts'
import { parseRange } from '../../src/lib/ipv4.ts'

/** What the core is told of the settings in tests; instances get their addresses from `range`. */
export function coreSettings(range: string): CoreSettings {
  return {
    appsDomain: 'localhost',
    instanceRange: parseRange(range),
    consoleHosts: [],
    domainProof: null,
    maxima: { all: {}, projects: {} },
    allowHttpSources: true,
  }
}
