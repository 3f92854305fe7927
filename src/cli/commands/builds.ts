import type { Command } from 'commander'
import type { z } from 'zod'
import { endpoints } from '../../api/contract/endpoints.ts'
import { buildLines } from '../../api/contract/flow.ts'
import type { Build } from '../../api/contract/resources.ts'
import { plainText } from '../../lib/control-bytes.ts'
import { followBuild } from '../live.ts'
import type { Run, Terminal } from '../output.ts'
import { placeNamed } from '../place.ts'
import { ago, paintStatus, safe, seconds, table } from '../render.ts'

type BuildView = z.output<typeof Build>

interface ListOptions {
  readonly environment: string
  readonly limit: string
  readonly all?: boolean
}

/** Builds: what ran, what runs and what waits; one of them, its log, ending it, doing it again. */
export function builds(program: Command, run: Run): void {
  program
    .command('builds [app]')
    .description('list builds, newest first')
    .option('-e, --environment <name>', 'environment', 'production')
    .option('-n, --limit <number>', 'how many', '20')
    .option('--all', 'of all apps and environments')
    .action(
      run(async (terminal, [name], options: ListOptions) =>
        terminal.show(await listed(terminal, name, options), (list) => listText(list, { now: terminal.now, all: options.all ?? false })),
      ),
    )
  const build = program.command('build').description('show, read, end and repeat builds')
  build
    .command('show <id>')
    .description('a build with its steps, their seconds, what came from cache, and its tests')
    .action(
      run(async (terminal, [id = '']) =>
        terminal.show(await terminal.client.call(endpoints.readBuild, { params: { id } }), (one) => showText(one, terminal.now)),
      ),
    )
  build
    .command('log <id>')
    .description('the log of a build')
    .option('-f, --follow', 'go on until it has ended')
    .option('-n, --lines <number>', 'how many of the last lines', '1000')
    .option('--search <text>', 'only lines that hold this text')
    .action(run((terminal, [id = ''], options: { follow?: boolean; lines: string; search?: string }) => log(terminal, id, options)))
  build
    .command('cancel <id>')
    .description('end a build')
    .action(
      run(async (terminal, [id = '']) =>
        terminal.show(
          await terminal.client.call(endpoints.cancelBuild, { params: { id } }),
          (one) => `build ${one.id} ${paintStatus(one.status)}: ${safe(one.message)}`,
        ),
      ),
    )
  build
    .command('retry <id>')
    .description('build the same commit again')
    .option('--detach', 'do not wait for its end')
    .action(
      run(async (terminal, [id = ''], options: { detach?: boolean }) => {
        const again = await terminal.client.call(endpoints.retryBuild, { params: { id } })
        if (options.detach) return terminal.show(again, (one) => `${one.id} opened; "lockgate follow ${one.id}" watches it`)
        return followBuild(terminal, again.id)
      }),
    )
}

async function listed(terminal: Terminal, name: string | undefined, options: ListOptions): Promise<BuildView[]> {
  if (options.all) return terminal.client.call(endpoints.listAllBuilds, { query: { limit: options.limit } })
  return terminal.client.call(endpoints.listBuilds, { params: await placeNamed(name, options.environment), query: { limit: options.limit } })
}

function listText(list: readonly BuildView[], how: { readonly now: number; readonly all: boolean }): string {
  if (list.length === 0) return 'No builds yet. "git push lockgate main" or "lockgate deploy DIR" makes one.'
  const rows = list.map((one) => [
    one.id,
    ...(how.all ? [`${one.app} ${one.environment}`] : []),
    one.commit.slice(0, 7),
    paintStatus(one.status),
    ago(one.createdAt, how.now),
    seconds(one.startedAt, one.finishedAt),
    one.actor.name,
    one.status === 'queued' ? `${one.ahead} before it` : safe(one.message.split('\n')[0] ?? ''),
  ])
  return table(['id', ...(how.all ? ['app'] : []), 'commit', 'status', 'asked for', 'took', 'by', ''], rows)
}

function showText(build: BuildView, now: number): string {
  const facts = [
    `${build.app} ${build.environment}  ${build.ref.replace(/^refs\/(heads|tags|lockgate)\//, '')}  ${build.commit.slice(0, 12)}`,
    `asked for ${ago(build.createdAt, now)} by ${build.actor.name}${build.trust === 'untrusted' ? '; not trusted: no secrets, a cache of its own' : ''}`,
    ...(build.status === 'succeeded' && build.purpose === 'deploy' && build.reused === null ? [build.message] : []),
    ...(build.deploymentId === null ? [] : [`deployment ${build.deploymentId}`]),
  ]
  return [...facts, '', ...buildLines(build)].map((line) => plainText(line)).join('\n')
}

async function log(terminal: Terminal, id: string, options: { readonly follow?: boolean; readonly lines: string; readonly search?: string }): Promise<void> {
  const params = { id }
  if (!options.follow) {
    const query = { lines: options.lines, ...(options.search === undefined ? {} : { search: options.search }) }
    const records = await terminal.client.call(endpoints.readBuildLog, { params, query })
    return terminal.show(records, (list) => list.map((line) => plainText(line.text, process.stdout.isTTY)).join('\n'))
  }
  const wanted = options.search?.toLowerCase()
  for await (const line of terminal.client.follow(endpoints.followBuildLog, { params, query: { lines: options.lines } }))
    if (wanted === undefined || line.text.toLowerCase().includes(wanted)) terminal.say(plainText(line.text, process.stdout.isTTY))
}
