import { AppName, EnvironmentName, PRODUCTION } from '../api/contract/names.ts'
import { run } from '../lib/run.ts'
import { CliError, EXIT } from './exit.ts'

/** The app and environment a command is about, as the API's paths want them. */
export interface Place {
  readonly app: AppName
  readonly environment: EnvironmentName
}

/** The app that was named, or that of the repository we stand in (its git remote `lockgate`). */
export async function appNamed(name: string | undefined): Promise<AppName> {
  const chosen = name ?? (await appOfRepository())
  if (chosen === null)
    throw new CliError(
      'Which app? Name it ("lockgate status shop", "lockgate deploy shop ."), or stand in a repository that "lockgate create NAME" was run in.',
      EXIT.usage,
    )
  const parsed = AppName.safeParse(chosen)
  if (!parsed.success) throw new CliError(`"${chosen}" is not the name of an app: ${parsed.error.issues[0]?.message ?? ''}`, EXIT.usage)
  return parsed.data
}

/** App and environment as named on the command line; the environment is production unless said. Throws CliError for a name that cannot be one. */
export async function placeNamed(name: string | undefined, environment: string | undefined): Promise<Place> {
  const parsed = EnvironmentName.safeParse(environment ?? PRODUCTION)
  if (!parsed.success) throw new CliError(`"${environment}" is not the name of an environment: ${parsed.error.issues[0]?.message ?? ''}`, EXIT.usage)
  return { app: await appNamed(name), environment: parsed.data }
}

async function appOfRepository(): Promise<string | null> {
  const url = await git(['remote', 'get-url', '--', 'lockgate'])
  return url === null ? null : (/\/git\/([^/]+)\.git$/.exec(url)?.[1] ?? null)
}

/** Runs git here and gives its output; null when it fails. Git is not needed for most commands. */
export async function git(args: readonly string[]): Promise<string | null> {
  const env = { HOME: process.env['HOME'] ?? '', ...(process.env['XDG_CONFIG_HOME'] ? { XDG_CONFIG_HOME: process.env['XDG_CONFIG_HOME'] } : {}) }
  const result = await run('git', args, { env, anyStatus: true, cwd: process.cwd() }).catch(() => null)
  return result?.status === 0 ? result.stdout.trim() : null
}
