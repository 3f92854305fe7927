import { z } from 'zod'
import { assemble, nearly, notThis, saidCommand } from '../assemble.ts'
import type { BuildPlan, Checkout, Language, NotThis, PlannedStep } from '../build-plan.ts'
import { phpVersion, type Version } from '../versions.ts'

const Composer = z.object({
  require: z.record(z.string(), z.string()).default({}),
  config: z
    .object({ platform: z.object({ php: z.string().optional() }).optional() })
    .optional()
    .catch(undefined),
})
type Composer = z.infer<typeof Composer>

const SERVE = ['apache2', '-f', '/etc/lockgate/apache.conf', '-D', 'FOREGROUND']

/** A PHP app: what composer.lock says, behind Apache. */
export const php: Language = {
  kind: 'php',
  called: 'a PHP app',
  reads: () => ['composer.json', 'Procfile'],
  plan,
}

function plan(checkout: Checkout): BuildPlan | NotThis {
  const { files, manifest } = checkout
  const composer = composerOf(checkout)
  const folder = manifest.build?.publish ?? ['public', 'web', ''].find((one) => files.includes(one === '' ? 'index.php' : `${one}/index.php`))
  if (composer === null && (folder === undefined || !files.some((file) => file.endsWith('.php')))) return notThis('there is no composer.json and no index.php')
  if (composer === 'unreadable') return nearly('the composer.json cannot be read as JSON')
  if (folder === undefined) return nearly('there is no index.php in the root, public or web: name its folder as build.publish in lockgate.yaml')
  const packages = Object.keys(composer?.require ?? {}).filter((name) => name.includes('/'))
  if (packages.length > 0 && !files.includes('composer.lock'))
    return nearly('there is no composer.lock, so that two builds could differ: run "composer update" and commit the composer.lock it writes')
  const version = versionOf(composer)
  const said = saidCommand(checkout)
  const isTested = manifest.build?.test !== undefined
  return assemble(checkout, {
    kind: 'php',
    why: [
      composer === null ? 'found index.php' : `found composer.json${files.includes('composer.lock') ? ' and composer.lock' : ''}`,
      ...(version.why === '' ? [] : [version.why]),
      said === null ? `serves ${folder === '' ? 'the files of the repository' : folder} with Apache` : `runs ${said.command.join(' ')}`,
    ],
    builder: composer === null ? null : { base: 'php-build', version: version.version },
    install: composer === null ? [] : [composerInstall(isTested ? [] : ['--no-dev'], 'install')],
    finish: composer !== null && isTested ? [composerInstall(['--no-dev'], 'build')] : [],
    taken: { kind: 'folder', path: '' },
    runner: { base: 'php', version: version.version },
    command: said?.command ?? SERVE,
    env: { DOCUMENT_ROOT: folder === '' ? '/app' : `/app/${folder}` },
  })
}

function composerInstall(more: readonly string[], phase: PlannedStep['phase']): PlannedStep {
  const run = ['composer', 'install', ...more, '--no-interaction', '--no-progress', '--prefer-dist', '--optimize-autoloader']
  return { name: `composer install${more.map((one) => ` ${one}`).join('')}`, run, phase }
}

function composerOf({ files, texts }: Checkout): Composer | 'unreadable' | null {
  if (!files.includes('composer.json')) return null
  try {
    return Composer.safeParse(JSON.parse(texts['composer.json'] ?? '')).data ?? 'unreadable'
  } catch {
    return 'unreadable'
  }
}

function versionOf(composer: Composer | null): Version {
  const platform = composer?.config?.platform?.php
  if (platform !== undefined) return phpVersion({ file: 'config.platform.php of composer.json', wants: platform.split('.').slice(0, 2).join('.') })
  const wants = composer?.require['php']
  return phpVersion(wants === undefined ? null : { file: 'require.php of composer.json', wants })
}

/** Which PHP a checkout asks for. */
export function phpBase(checkout: Checkout): Version {
  const composer = composerOf(checkout)
  return versionOf(composer === 'unreadable' ? null : composer)
}
