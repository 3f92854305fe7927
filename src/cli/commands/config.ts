import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import { endpoints } from '../../api/contract/endpoints.ts'
import { ConfigKey } from '../../api/contract/names.ts'
import { DotEnvError, parseDotEnv } from '../dotenv.ts'
import { CliError, EXIT } from '../exit.ts'
import { followDeployment } from '../live.ts'
import type { Run, Terminal } from '../output.ts'
import { type Place, placeNamed } from '../place.ts'
import { ago, paint, plainValue, safe, table } from '../render.ts'

interface ChangeOptions {
  readonly app?: string
  readonly environment?: string
  readonly detach?: boolean
}

/** config set, unset, get, history: one revision, one release, one deployment for all keys of a command. */
export function config(program: Command, run: Run): void {
  const group = program.command('config').description('configuration of an environment')
  const command = (name: string, summary: string): Command =>
    group
      .command(name)
      .description(summary)
      .option('-a, --app <name>', 'app; default: that of this repository')
      .option('-e, --environment <name>', 'environment', 'production')

  command('set [pairs...]', 'set KEY=VALUE ...; a single "-" reads them from standard input')
    .option('-f, --file <file>', 'read KEY=VALUE lines from a .env file')
    .option('--secret', 'seal these values: they are never shown again')
    .option('--detach', 'do not wait for the deployment')
    .action(
      run(async (terminal, pairs, options: ChangeOptions & { file?: string; secret?: boolean }) => {
        const set = await valuesOf(terminal, pairs, options.file)
        return change(terminal, { options, body: { set, secret: options.secret ? Object.keys(set) : [], unset: [] } })
      }),
    )
  command('unset <keys...>', 'remove keys')
    .option('--detach', 'do not wait for the deployment')
    .action(run((terminal, keys, options: ChangeOptions) => change(terminal, { options, body: { set: {}, secret: [], unset: keys.map(keyOf) } })))
  command('get [key]', 'show the configuration; secrets are never shown')
    .option('--revision <number>', 'an older revision')
    .action(run((terminal, [key], options: ChangeOptions & { revision?: string }) => get(terminal, key, options)))
  command('revoke <key> <version>', 'never use a version of a secret again, also not in a rollback').action(
    run(async (terminal, [key = '', version = ''], options: ChangeOptions) => {
      const params = await placeNamed(options.app, options.environment)
      const answer = await terminal.client.call(endpoints.revokeSecret, { params, body: { key: keyOf(key), version: Number(version) } })
      terminal.show(
        answer,
        (one) => `version ${one.version} of ${one.key} is not used again; what runs with it goes on until "lockgate config set --secret ${one.key}=…"`,
      )
    }),
  )
  command('history', 'list configuration revisions, newest first').action(
    run(async (terminal, _arguments, options: ChangeOptions) => {
      const answer = await terminal.client.call(endpoints.configHistory, { params: await placeNamed(options.app, options.environment) })
      terminal.show(answer, () =>
        table(
          ['revision', 'made', 'by', 'keys', 'why'],
          answer.map((one) => [`c${one.number}`, ago(one.createdAt, terminal.now), one.actor.name, String(one.keys.length), safe(one.note)]),
        ),
      )
    }),
  )
}

interface Change {
  readonly options: ChangeOptions
  readonly body: { readonly set: Record<string, string>; readonly secret: string[]; readonly unset: string[] }
}

async function change(terminal: Terminal, asked: Change): Promise<void> {
  const params = await placeNamed(asked.options.app, asked.options.environment)
  const answer = await terminal.client.call(endpoints.changeConfig, { params, body: asked.body })
  if (answer.builtIn.length > 0) terminal.say(needsBuild(params, answer.builtIn))
  if (answer.deployment === null || asked.options.detach) {
    return terminal.show(
      answer,
      () =>
        `configuration c${answer.revision}${answer.deployment === null ? ' is there; it is used by the next deployment or start' : `; deployment ${answer.deployment.id} brings it in`}`,
    )
  }
  terminal.say(`configuration c${answer.revision}`)
  return followDeployment(terminal, answer.deployment.id)
}

function needsBuild({ app, environment }: Place, keys: readonly string[]): string {
  const place = environment === 'production' ? app : `${app} -e ${environment}`
  return `The image was built with the earlier value of ${keys.join(', ')} (build.secrets) and keeps it. "lockgate deploy ${place} --rebuild" builds the new value in.`
}

async function get(terminal: Terminal, key: string | undefined, options: ChangeOptions & { readonly revision?: string }): Promise<void> {
  const params: Place = await placeNamed(options.app, options.environment)
  const answer = await terminal.client.call(endpoints.readConfig, {
    params,
    query: options.revision === undefined ? {} : { revision: options.revision.replace(/^c/, '') },
  })
  if (key === undefined) {
    const rows = answer.entries.map((entry) => [
      entry.key,
      entry.kind === 'secret' ? paint('dim', `secret, version ${entry.secretVersion}`) : plainValue(entry.value ?? ''),
    ])
    return terminal.show(answer, () =>
      rows.length === 0
        ? 'No configuration yet. "lockgate config set KEY=VALUE" makes the first revision.'
        : table(['key', 'value'], rows, Number.POSITIVE_INFINITY),
    )
  }
  const entry = answer.entries.find((one) => one.key === key)
  if (!entry) throw new CliError(`${key} is not set.`, EXIT.notFound)
  if (entry.value === null) throw new CliError(`${key} is a secret and is not shown to anybody.`, EXIT.refused)
  return terminal.show(entry, () => entry.value ?? '')
}

async function valuesOf(terminal: Terminal, pairs: readonly string[], file: string | undefined): Promise<Record<string, string>> {
  const fromInput = pairs.length === 1 && pairs[0] === '-' ? parsed(terminal, { bytes: await buffer(process.stdin), name: 'standard input' }) : {}
  const fromFile = file === undefined ? {} : parsed(terminal, { bytes: await readFile(file), name: file })
  const given = pairs.length === 1 && pairs[0] === '-' ? [] : pairs
  const set: Record<string, string> = { ...fromFile, ...fromInput }
  for (const pair of given) {
    const at = pair.indexOf('=')
    if (at < 1) throw new CliError(`"${safe(pair)}" is not KEY=VALUE.`, EXIT.usage)
    set[keyOf(pair.slice(0, at))] = pair.slice(at + 1)
  }
  for (const key of Object.keys(set)) keyOf(key)
  if (Object.keys(set).length === 0) throw new CliError('Nothing to set: give KEY=VALUE, -f FILE, or - for standard input.', EXIT.usage)
  return set
}

function parsed(terminal: Terminal, { bytes, name }: { readonly bytes: Uint8Array; readonly name: string }): Readonly<Record<string, string>> {
  try {
    const { values, notes } = parseDotEnv(bytes)
    for (const note of notes) terminal.say(safe(`${name}, ${note}`))
    return values
  } catch (error) {
    if (error instanceof DotEnvError) throw new CliError(safe(`${name}, ${error.message}; nothing was set.`), EXIT.usage)
    throw error
  }
}

function keyOf(key: string): string {
  const checked = ConfigKey.safeParse(key)
  if (!checked.success) throw new CliError(`"${safe(key)}": ${checked.error.issues[0]?.message ?? 'not a key'}`, EXIT.usage)
  return checked.data
}
