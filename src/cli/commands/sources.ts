import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { z } from 'zod'
import { endpoints } from '../../api/contract/endpoints.ts'
import type { CodeSource, Detected } from '../../api/contract/resources.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Run, Terminal } from '../output.ts'
import { packFolder } from '../pack.ts'
import { appNamed } from '../place.ts'
import { ago, paint, safe, table } from '../render.ts'

interface SetOptions {
  readonly token?: boolean
  readonly username?: string
  readonly key?: string
  readonly newKey?: boolean
  readonly hostKey?: string
  readonly every: string
  readonly submodule?: string[]
}

/** Where code and images come from: other git servers, credentials of registries, and how a folder would be built. */
export function sources(program: Command, run: Run): void {
  const source = program.command('source').description('fetch code from another git server')
  source
    .command('set <app> <url>')
    .summary('have the code of an app fetched from a repository, in intervals')
    .description(
      'have the code of an app fetched from a repository (https://host/path or git@host:path), in intervals; what is new on a branch or tag of an environment is built and deployed',
    )
    .option('--token', 'read a token for https from standard input')
    .option('--username <name>', 'that goes with the token')
    .option('--key <file>', 'a private key for ssh')
    .option('--new-key', 'make a key pair for ssh here, and show the public key')
    .option('--host-key <fingerprint>', 'the ssh host key that is right: SHA256:…')
    .option('--every <seconds>', 'how often it is looked at', '60')
    .option('--submodule <url...>', 'submodules that the token or key is for as well; for others it is not used')
    .action(run((terminal, [name, url = ''], options: SetOptions) => set(terminal, { name, url, options })))
  source
    .command('show <app>')
    .description('where the code of an app is fetched from, and how the last look went')
    .action(
      run(async (terminal, [name]) =>
        terminal.show(await terminal.client.call(endpoints.readSource, { params: { app: await appNamed(name) } }), (one) => sourceText(one, terminal.now)),
      ),
    )
  source
    .command('check <app>')
    .description('look now, and build what is new')
    .action(run(async (terminal, [name]) => check(terminal, name)))
  source
    .command('remove <app>')
    .description('fetch no more, and forget the credential; the app stays')
    .action(
      run(async (terminal, [name]) => {
        const app = await appNamed(name)
        terminal.show(
          await terminal.client.call(endpoints.removeSource, { params: { app } }),
          () => `the code of ${app} is not fetched any more; push it, or set another source`,
        )
      }),
    )
  program
    .command('detect [folder]')
    .summary('say how a folder would be built, and why')
    .description('say how a folder (or with --app what was pushed of an app) would be built, and why; nothing is built')
    .option('-a, --app <name>', 'of what was pushed')
    .option('--ref <ref>', 'with --app: branch, tag or commit', 'main')
    .action(
      run(async (terminal, [folder = '.'], options: { app?: string; ref: string }) => {
        const answer =
          options.app === undefined
            ? await terminal.client.call(endpoints.detectFolder, { stream: (await packFolder(folder)).stream })
            : await terminal.client.call(endpoints.detect, { params: { app: await appNamed(options.app) }, query: { ref: options.ref } })
        terminal.show(answer, detectedText)
      }),
    )
  const registry = program.command('registry').description('credentials of image registries')
  registry
    .command('set <host>')
    .description('keep who we are for a registry; the password is read from standard input')
    .requiredOption('--username <name>', 'who signs in there')
    .option('--trust <level>', 'ordinary or protected: the least level of environments that get its images', 'ordinary')
    .action(
      run(async (terminal, [host = ''], options: { username: string; trust: string }) => {
        const body = {
          host,
          username: options.username,
          trust: options.trust as 'protected',
          password: await fromInput('The password or token of the registry'),
        }
        terminal.show(await terminal.client.call(endpoints.setRegistry, { body }), (one) => `${one.username} signs in to ${one.host}`)
      }),
    )
  registry
    .command('remove <host>')
    .description('forget the credential of a registry')
    .action(
      run(async (terminal, [host = '']) =>
        terminal.show(await terminal.client.call(endpoints.removeRegistry, { params: { host } }), (one) => `the credential of ${one.host} is forgotten`),
      ),
    )
  program
    .command('registries')
    .description('list registries whose credentials are kept')
    .action(
      run(async (terminal) =>
        terminal.show(await terminal.client.call(endpoints.listRegistries, {}), (list) =>
          list.length === 0
            ? 'No credentials are kept: public images need none.'
            : table(
                ['registry', 'user', 'for', 'set', 'by'],
                list.map((one) => [one.host, safe(one.username), one.trust, ago(one.createdAt, terminal.now), one.actor.name]),
              ),
        ),
      ),
    )
}

async function set(terminal: Terminal, asked: { readonly name: string | undefined; readonly url: string; readonly options: SetOptions }): Promise<void> {
  const { options } = asked
  const app = await appNamed(asked.name)
  if ([options.token, options.key !== undefined, options.newKey].filter(Boolean).length > 1)
    throw new CliError('--token, --key and --new-key exclude each other.', EXIT.usage)
  const body = {
    url: asked.url,
    everySeconds: Number(options.every),
    submodules: options.submodule ?? [],
    newKey: options.newKey ?? false,
    ...(options.token ? { token: await fromInput('The token') } : {}),
    ...(options.key === undefined ? {} : { key: await keyOf(options.key) }),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.hostKey === undefined ? {} : { hostKey: options.hostKey }),
  }
  const answer = await terminal.client.call(endpoints.setSource, { params: { app }, body })
  terminal.show(answer, ({ source, publicKey }) =>
    [
      `${paint('green', app)} is fetched from ${source.url}, every ${source.everySeconds} s`,
      ...(publicKey === null ? [] : ['Give this key to the code host as a deploy key that may read:', publicKey, `Then: lockgate source check ${app}`]),
    ].join('\n'),
  )
}

async function keyOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => {
    throw new CliError(`The key ${path} cannot be read.`, EXIT.usage)
  })
}

async function check(terminal: Terminal, name: string | undefined): Promise<void> {
  const answer = await terminal.client.call(endpoints.checkSource, { params: { app: await appNamed(name) } })
  terminal.show(answer, ({ source, refs }) => {
    const rows = refs.map((one) => [one.ref.replace(/^refs\/(heads|tags)\//, ''), one.commit.slice(0, 7), one.environment ?? '–'])
    return `${sourceText(source, terminal.now)}\n\n${table(['ref', 'commit', 'deployed to'], rows)}`
  })
  if (answer.source.problem !== null) throw new CliError('', EXIT.failed)
}

function sourceText(source: z.output<typeof CodeSource>, now: number): string {
  const facts: (readonly [string, string])[] = [
    ['url', source.url],
    ['credential', source.credential === 'token' && source.username !== null ? `token of ${safe(source.username)}` : source.credential],
    ...source.hostKeys.map((key): readonly [string, string] => ['host key', key]),
    ['answered', `${ago(source.checkedAt, now)}, every ${source.everySeconds} s`],
    ...(source.problem === null ? [] : [['problem', paint('red', safe(source.problem))] as const]),
  ]
  return facts.map(([name, value]) => `  ${paint('dim', name.padEnd(10))}  ${value}`).join('\n')
}

function detectedText(detected: z.output<typeof Detected>): string {
  const lines = [paint('bold', detected.kind), ...detected.why.map((one) => `  ${safe(one)}`)]
  if (detected.builder !== null) lines.push(`  built in ${safe(detected.builder)}: ${detected.steps.map((step) => safe(step.name)).join(', ')}`)
  if (detected.runner !== null) lines.push(`  runs on ${safe(detected.runner)}${detected.command === null ? '' : `: ${safe(detected.command.join(' '))}`}`)
  return lines.join('\n')
}

/** A secret never stands among arguments, where every process of the machine can read it. */
async function fromInput(what: string): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write(`${what}, then Ctrl-D: `)
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString().trim()
  if (text === '') throw new CliError(`${what} is read from standard input, and nothing came.`, EXIT.usage)
  return text
}
