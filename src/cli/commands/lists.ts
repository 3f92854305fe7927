import type { Command } from 'commander'
import type { z } from 'zod'
import { endpoints } from '../../api/contract/endpoints.ts'
import type { Check, Disk, Event } from '../../api/contract/resources.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Run } from '../output.ts'
import { appNamed, placeNamed } from '../place.ts'
import { ago, paint, paintStatus, safe, seconds, sizeOf, table } from '../render.ts'

interface ListOptions {
  readonly environment?: string
  readonly limit: string
}

/** What was and what is: deployments, releases, events, doctor. */
export function lists(program: Command, run: Run): void {
  const list = (name: string, summary: string): Command =>
    program
      .command(`${name} [app]`)
      .description(summary)
      .option('-e, --environment <name>', 'environment', 'production')
      .option('-n, --limit <number>', 'how many', '20')

  list('deployments', 'list deployments, newest first').action(
    run(async (terminal, [name], options: ListOptions) => {
      const answer = await terminal.client.call(endpoints.listDeployments, {
        params: await placeNamed(name, options.environment),
        query: { limit: options.limit },
      })
      const rows = answer.map((one) => [
        one.id,
        one.verb,
        one.release ?? '–',
        paintStatus(one.status),
        ago(one.createdAt, terminal.now),
        seconds(one.startedAt, one.finishedAt),
        one.actor.name,
        safe(one.blocked ?? one.message),
      ])
      terminal.show(answer, () => table(['id', 'verb', 'release', 'status', 'asked for', 'took', 'by', ''], rows))
    }),
  )
  list('releases', 'list releases, newest first').action(
    run(async (terminal, [name], options: ListOptions) => {
      const answer = await terminal.client.call(endpoints.listReleases, {
        params: await placeNamed(name, options.environment),
        query: { limit: options.limit },
      })
      const notes = (one: (typeof answer)[number]): string =>
        [
          one.current ? 'live' : '',
          one.liveAt === null ? 'never live' : '',
          one.fault === null ? '' : safe(one.fault),
          one.pinned ? 'pinned' : '',
          one.imageRemoved ? 'image removed' : '',
        ]
          .filter((note) => note !== '')
          .join(', ')
      terminal.show(answer, () =>
        table(
          ['release', 'made of', 'image', 'config', 'made', 'by', ''],
          answer.map((one) => [
            one.current ? paint('green', one.name) : one.name,
            safe(one.origin),
            one.digest.slice(7, 19),
            `c${one.configRevision}`,
            ago(one.createdAt, terminal.now),
            one.actor.name,
            notes(one),
          ]),
        ),
      )
    }),
  )
  program
    .command('events')
    .description('who did what')
    .option('-a, --app <name>', 'only of this app')
    .option('-n, --limit <number>', 'how many', '30')
    .option('-f, --follow', 'go on as they come')
    .action(
      run(async (terminal, _arguments, options: { app?: string; limit: string; follow?: boolean }) => {
        const answer = await terminal.client.call(endpoints.listEvents, {
          query: { limit: options.limit, ...(options.app === undefined ? {} : { app: await appNamed(options.app) }) },
        })
        if (!options.follow)
          return terminal.show(answer, () =>
            table(
              ['#', 'when', 'what', 'app', 'about', 'by', ''],
              answer.map((event) => eventRow(event, terminal.now)),
            ),
          )
        for (const event of answer) terminal.say(eventRow(event, terminal.now).join('  '))
        for await (const event of terminal.client.follow(endpoints.followEvents, {}))
          if (options.app === undefined || event.app === options.app) terminal.show(event, () => eventRow(event, Date.now()).join('  '))
      }),
    )
  program
    .command('disk')
    .description('what takes disk, and what of it may go')
    .option('--clean', 'remove what may go')
    .action(
      run(async (terminal, _arguments, options: { clean?: boolean }) => {
        if (!options.clean) return terminal.show(await terminal.client.call(endpoints.disk, {}), diskText)
        terminal.show(await terminal.client.call(endpoints.cleanDisk, {}), ({ removed, freeBytes }) =>
          [...removed.map((item) => `removed ${sizeOf(item.bytes).padStart(8)}  ${safe(item.name)}`), `${sizeOf(freeBytes)} free`].join('\n'),
        )
      }),
    )
  program
    .command('doctor')
    .description('check engine, edge, networks, disk, ports, clock, data and invariants')
    .action(
      run(async (terminal) => {
        const checks = await terminal.client.call(endpoints.doctor, {})
        terminal.show(checks, doctorText)
        if (checks.some((check) => !check.ok)) throw new CliError('', EXIT.failed)
      }),
    )
}

function diskText({ items, freeBytes, leastFreeBytes }: z.output<typeof Disk>): string {
  const rows = items
    .filter((item) => item.bytes > 0)
    .map((item) => [sizeOf(item.bytes), item.kind, safe(item.name), item.mayGo === null ? '' : paint('yellow', `may go: ${safe(item.mayGo)}`)])
  const may = items.filter((item) => item.mayGo !== null).reduce((sum, item) => sum + item.bytes, 0)
  const foot = [
    `${sizeOf(freeBytes)} free; nothing is built below ${sizeOf(leastFreeBytes)}.`,
    ...(may === 0 ? [] : [`${sizeOf(may)} may go: "lockgate disk --clean" removes it.`]),
  ]
  return `${table(['size', 'what', 'name', ''], rows)}\n\n${foot.join('\n')}`
}

function eventRow(event: z.output<typeof Event>, now: number): string[] {
  const { message, name, number, verb, commit, key, ref } = event.data
  const facts = [verb, name, number, key, ref, typeof commit === 'string' ? commit.slice(0, 7) : undefined, message]
    .filter((fact) => fact !== undefined)
    .map(String)
  return [
    String(event.seq),
    ago(event.at, now),
    event.kind,
    event.app === null ? '–' : `${event.app}${event.environment === null ? '' : ` ${event.environment}`}`,
    event.subject ?? '–',
    who(event.actor),
    safe(facts.join(' ')),
  ]
}

function doctorText(checks: readonly z.output<typeof Check>[]): string {
  const rows = checks.map((check) => [check.ok ? paint('green', '✓') : paint('red', '✗'), check.area, check.name, safe(check.sentence)])
  const wrong = checks.filter((check) => !check.ok).length
  return `${table(['', 'area', 'check', ''], rows)}\n\n${wrong === 0 ? paint('green', 'Everything is fine.') : paint('red', `${wrong} ${wrong === 1 ? 'thing needs' : 'things need'} you.`)}`
}

/** The name, and of a token the id: names can be given again, ids cannot. */
function who(actor: { readonly kind: string; readonly id: string | null; readonly name: string }): string {
  return actor.kind === 'token' && actor.id !== null ? `${actor.name} (${actor.id})` : actor.name
}
