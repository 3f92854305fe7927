import { z } from 'zod'
import type { BaseFile } from '../bases/base-file.ts'

const Url = z.url({ protocol: /^https?$/ }).refine((url) => new URL(url).username === '', 'an address without a user name: every build could read it')

/** Where packages come from instead of where everybody gets them. */
export const PackageMirrors = z
  .strictObject({
    npm: Url.optional().describe('For npm, pnpm and Yarn'),
    pypi: Url.optional().describe('For pip, ending in /simple; what a uv.lock or poetry.lock says by address is got from there'),
    go: z.string().min(1).max(500).optional().describe('GOPROXY'),
    composer: Url.optional().describe('Instead of packagist.org'),
    debian: Url.optional().describe('For base images, ending in /debian; beside it there is /debian-security'),
  })
  .default({})
  .describe('Mirrors of packages, before those this host is set up with')
export type PackageMirrors = z.output<typeof PackageMirrors>

const COMPOSER_HOME = '/etc/lockgate/composer'

/** What all clients of a build are told: each asks for mirrors in its own words. `host` are the settings of the host. */
export function packageEnv(mirrors: PackageMirrors, host: Readonly<Record<string, string>>): Record<string, string> {
  const npm = mirrors.npm ?? host['npm_config_registry']
  return {
    ...host,
    ...(npm === undefined ? {} : { npm_config_registry: npm, YARN_REGISTRY: npm, YARN_NPM_REGISTRY_SERVER: npm.replace(/\/$/, '') }),
    ...(mirrors.pypi === undefined ? {} : { PIP_INDEX_URL: mirrors.pypi }),
    ...(mirrors.go === undefined ? {} : { GOPROXY: mirrors.go }),
    ...(mirrors.composer === undefined ? {} : { COMPOSER_HOME }),
  }
}

/** Files of a build that say what no variable can. */
export function packageFiles({ composer }: PackageMirrors): BaseFile[] {
  if (composer === undefined) return []
  const config = { repositories: { mirror: { type: 'composer', url: composer }, 'packagist.org': false } }
  return [{ name: `${COMPOSER_HOME.slice(1)}/config.json`, text: JSON.stringify(config) }]
}
