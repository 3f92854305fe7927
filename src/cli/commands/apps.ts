import type { Command } from 'commander'
import type { z } from 'zod'
import { endpoints } from '../../api/contract/endpoints.ts'
import { shortInstance, strategyText, watchText } from '../../api/contract/flow.ts'
import { HostName, PathPrefix } from '../../api/contract/names.ts'
import type { App, Environment } from '../../api/contract/resources.ts'
import { launch } from '../../lib/run.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Run, Terminal } from '../output.ts'
import { appNamed, git, placeNamed } from '../place.ts'
import { ago, paint, paintStatus, safe, table } from '../render.ts'

type AppView = z.output<typeof App>
type EnvironmentView = z.output<typeof Environment>

/** Apps, environments and their hostnames. */
export function apps(program: Command, run: Run): void {
  program
    .command('create <name>')
    .summary('create an app')
    .description('create an app; inside a repository it also adds the git remote "lockgate" and a credential helper, so that no token stands in a URL')
    .option('--project <name>', 'project it belongs to')
    .action(run((terminal, [name = ''], options: { project?: string }) => create(terminal, name, options.project)))
  program
    .command('remote <app>')
    .summary('add the git remote of an app to this repository')
    .description('add the git remote "lockgate" of an app that is there, and the credential helper, to this repository: another clone, another machine')
    .action(run((terminal, [name = '']) => lead(terminal, name)))
  program
    .command('apps')
    .description('list apps and how they are')
    .action(run(async (terminal) => terminal.show(await terminal.client.call(endpoints.listApps, {}), listText)))
  program
    .command('status [app]')
    .description('what runs of an app, as observed now')
    .action(
      run(async (terminal, [name]) =>
        terminal.show(await terminal.client.call(endpoints.readApp, { params: { app: await appNamed(name) } }), (app) => statusText(app, terminal.now)),
      ),
    )
  program
    .command('open [app]')
    .description('open an app in the browser')
    .option('-e, --environment <name>', 'environment', 'production')
    .action(
      run(async (terminal, [name], options: { environment?: string }) =>
        openInBrowser(terminal, await terminal.client.call(endpoints.readEnvironment, { params: await placeNamed(name, options.environment) })),
      ),
    )
  const app = program.command('app').description('change and remove apps')
  app
    .command('set <name>')
    .description('say where in its repository an app lives')
    .option('--root <folder>', 'folder it lives in; "" for all of the repository')
    .option('--watch <pattern...>', 'paths whose change matters, such as "services/shop/**"; "" for its root alone')
    .action(
      run(async (terminal, [name], options: { root?: string; watch?: string[] }) => {
        const body = {
          ...(options.root === undefined ? {} : { root: options.root }),
          ...(options.watch === undefined ? {} : { watch: options.watch.filter((one) => one !== '') }),
        }
        const answer = await terminal.client.call(endpoints.changeApp, { params: { app: await appNamed(name) }, body })
        terminal.show(
          answer,
          (one) =>
            `${one.name} lives in ${one.root === '' ? 'its whole repository' : one.root}${one.watch.length === 0 ? '' : `, and watches ${one.watch.join(', ')}`}`,
        )
      }),
    )
  app
    .command('remove <name>')
    .description('remove an app with its environments, instances, logs and repository')
    .option('--yes', 'do not ask')
    .action(run((terminal, [name], options: { yes?: boolean }) => remove(terminal, name, options.yes ?? false)))
  const domain = program.command('domain').description('add and remove hostnames')
  for (const [verb, summary] of [
    ['add', 'lead a hostname (or *.hostname) to an app'],
    ['remove', 'give a hostname back'],
  ] as const) {
    domain
      .command(`${verb} <app> <host>`)
      .description(summary)
      .option('-e, --environment <name>', 'environment', 'production')
      .option('--path <prefix>', 'only this path prefix', '/')
      .action(run((terminal, [name, host = ''], options: { environment?: string; path: string }) => changeDomain(terminal, { verb, name, host, ...options })))
  }
}

async function create(terminal: Terminal, name: string, project: string | undefined): Promise<void> {
  const app = await terminal.client.call(endpoints.createApp, { body: { name, ...(project === undefined ? {} : { project }) } })
  const remote = `${terminal.url}${app.gitPath}`
  const added = await addRemote(terminal.url, remote)
  terminal.show(app, () =>
    [
      `${paint('green', app.name)} is there. It will answer at ${app.environments[0]?.urls[0] ?? ''}`,
      ...(added !== null
        ? [added, `Next: git push lockgate ${app.environments[0]?.branch ?? 'main'}`]
        : [
            'This is no git repository: nothing leads from here to it yet.',
            `Next: lockgate deploy ${app.name} .    (this folder as it is),`,
            `or in a repository: lockgate remote ${app.name} && git push lockgate ${app.environments[0]?.branch ?? 'main'}`,
          ]),
      `or an image: lockgate deploy ${app.name} --image NAME:TAG`,
    ].join('\n'),
  )
}

/** For a repository that the app was not created in: another clone, another machine. */
async function lead(terminal: Terminal, name: string): Promise<void> {
  const app = await terminal.client.call(endpoints.readApp, { params: { app: await appNamed(name) } })
  const added = await addRemote(terminal.url, `${terminal.url}${app.gitPath}`)
  if (added === null) throw new CliError('This is no git repository: "git init -b main" makes one.', EXIT.usage)
  terminal.show(app, () => added)
}

/** Remote and credential helper of the repository we stand in: what was done, or null where there is none. */
async function addRemote(url: string, remote: string): Promise<string | null> {
  if ((await git(['rev-parse', '--is-inside-work-tree'])) !== 'true') return null
  const known = await git(['remote', 'get-url', '--', 'lockgate'])
  if (known === null) await git(['remote', 'add', '--', 'lockgate', remote])
  else await git(['remote', 'set-url', '--', 'lockgate', remote])
  // Ours alone: a helper of the system would be asked too, and would keep the token.
  await git(['config', '--local', '--replace-all', `credential.${url}.helper`, ''])
  await git(['config', '--local', '--add', `credential.${url}.helper`, `!${process.env['LOCKGATE_PROGRAM'] ?? 'lockgate'} credential`])
  return `The git remote "lockgate" leads to ${remote}${known === null || known === remote ? '' : `; it led to ${known}`}.`
}

function listText(list: readonly AppView[]): string {
  if (list.length === 0) return 'No apps yet. "lockgate create NAME" makes one.'
  const rows = list.flatMap((app) =>
    app.environments.map((one) => [
      app.name,
      one.name,
      paintStatus(one.state),
      one.release ?? '–',
      `${one.ready}/${one.state === 'stopped' ? 0 : one.count}`,
      one.urls[0] ?? '',
    ]),
  )
  return table(['app', 'environment', 'state', 'release', 'ready', 'url'], rows)
}

function statusText(app: AppView, now: number): string {
  return app.environments.map((environment) => environmentText(environment, now)).join('\n\n')
}

function environmentText(environment: EnvironmentView, now: number): string {
  const facts: (readonly [string, string])[] = [
    ['state', paintStatus(environment.state)],
    ['release', environment.release === null ? 'none yet' : `${environment.release} (${safe(environment.origin ?? '')})`],
    ['instances', `${environment.ready} of ${environment.count} ready`],
    ['strategy', strategyText(environment.strategy)],
    ...(environment.share === 0 ? [] : [['canary', `${environment.share} % of the requests`] as const]),
    ...(environment.watch === null ? [] : [['watched', watchText(environment.watch)] as const]),
    ['branch', environment.branch],
    ...environment.domains.map((domain, at): readonly [string, string] => [at === 0 ? 'urls' : '', environment.urls[at] ?? `${domain.host}${domain.path}`]),
    ...(environment.deploymentId === null ? [] : [['deployment', environment.deploymentId] as const]),
    ...(environment.blocked === null ? [] : [['waits', safe(environment.blocked)] as const]),
    ...(environment.pinned.length === 0 ? [] : [['pinned', `${environment.pinned.join(', ')} (left behind by a rollback)`] as const]),
  ]
  const width = Math.max(...facts.map(([name]) => name.length))
  const head = paint('bold', `${environment.app} ${environment.name}`)
  const lines = facts.map(([name, value]) => `  ${paint('dim', name.padEnd(width))}  ${value}`)
  if (environment.instances.length === 0) return [head, ...lines].join('\n')
  const rows = environment.instances.map((one) => [
    `  ${shortInstance(one.name)}`,
    one.release,
    paintStatus(one.state),
    one.address,
    one.traffic,
    String(one.restarts),
    ago(one.startedAt, now),
    safe(one.detail),
  ])
  return [head, ...lines, '', table(['  instance', 'release', 'state', 'address', 'traffic', 'restarts', 'started', 'last seen'], rows)].join('\n')
}

async function openInBrowser(terminal: Terminal, environment: EnvironmentView): Promise<void> {
  const url = environment.urls[0]
  if (url === undefined) throw new CliError('It has no hostname of its own.', EXIT.notFound)
  terminal.show({ url }, () => url)
  if (!process.stdout.isTTY) return
  const child = launch(process.platform === 'darwin' ? 'open' : 'xdg-open', [url])
  // Without a browser on this machine the address above is the answer.
  child.on('error', () => undefined)
  child.unref()
}

async function remove(terminal: Terminal, name: string | undefined, sure: boolean): Promise<void> {
  const app = await appNamed(name)
  if (!sure)
    throw new CliError(`This removes ${app}, its instances, configuration and repository for good. Say so: lockgate app remove ${app} --yes`, EXIT.usage)
  terminal.show(
    await terminal.client.call(endpoints.removeApp, { params: { app } }),
    () => `${app} is being removed: its hostnames are gone, its instances finish their requests and stop`,
  )
}

interface DomainChange {
  readonly verb: 'add' | 'remove'
  readonly name: string | undefined
  readonly host: string
  readonly path: string
  readonly environment?: string
}

async function changeDomain(terminal: Terminal, change: DomainChange): Promise<void> {
  const params = await placeNamed(change.name, change.environment)
  const host = HostName.safeParse(change.host.toLowerCase())
  const path = PathPrefix.safeParse(change.path)
  if (!host.success) throw new CliError(host.error.issues[0]?.message ?? 'not a hostname', EXIT.usage)
  if (!path.success) throw new CliError(path.error.issues[0]?.message ?? 'not a path prefix', EXIT.usage)
  const given = { host: host.data, path: path.data }
  const answer =
    change.verb === 'add'
      ? await terminal.client.call(endpoints.addDomain, { params, body: given })
      : await terminal.client.call(endpoints.removeDomain, { params, query: given })
  terminal.show(answer, () =>
    table(
      ['host', 'path', 'from'],
      answer.domains.map((one) => [one.host, one.path, one.kind]),
    ),
  )
}
