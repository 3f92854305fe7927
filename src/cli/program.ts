import { Command } from 'commander'
import { VERSION } from '../version.ts'
import { account } from './account.ts'
import { connectTo } from './client.ts'
import { access } from './commands/access.ts'
import { apps } from './commands/apps.ts'
import { builds } from './commands/builds.ts'
import { config } from './commands/config.ts'
import { environments } from './commands/environments.ts'
import { lists } from './commands/lists.ts'
import { logs } from './commands/logs.ts'
import { sources } from './commands/sources.ts'
import { verbs } from './commands/verbs.ts'
import { EXIT, EXIT_MEANINGS } from './exit.ts'
import { openTerminal, type Run } from './output.ts'

/** The whole program; the reference is made of it too. */
export function makeProgram(): Command {
  const program = new Command('lockgate')
    .description('Deployments that drop no request.')
    .version(VERSION, '-V, --version')
    .option('--json', 'answers as JSON')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: true, showGlobalOptions: true })
    .addHelpText(
      'after',
      `\nExit status: ${Object.entries(EXIT)
        .map(([name, code]) => `${code} ${EXIT_MEANINGS[name as keyof typeof EXIT]}`)
        .join('; ')}.\nEnvironment: LOCKGATE_URL, LOCKGATE_TOKEN instead of what "lockgate login" keeps; NO_COLOR.`,
    )
  const run: Run =
    (work) =>
    async (...args) => {
      const command = args.at(-1)
      if (!(command instanceof Command)) throw new Error('commander passes the command last')
      const { json } = command.optsWithGlobals<{ json?: boolean }>()
      const connection = await account()
      const terminal = openTerminal(connectTo(connection), { url: connection.url, json: json ?? false })
      const given = args.slice(0, -2).flatMap((arg) => (arg === undefined ? [] : Array.isArray(arg) ? arg.map(String) : [String(arg)]))
      await work(terminal, given, command.opts() as never)
    }
  for (const group of [apps, environments, verbs, builds, sources, lists, config, logs, access]) group(program, run)
  withJson(program)
  return program
}

/** --json is understood wherever it stands. */
function withJson(command: Command): void {
  for (const child of command.commands) {
    if (child.commands.length === 0) child.option('--json', 'answers as JSON')
    withJson(child)
  }
}
