import { hostname } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { endpoints } from '../../api/contract/endpoints.ts'
import { account, forget, remember, serverUrl, tokenFor } from '../account.ts'
import { connectTo } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import type { Run, Terminal } from '../output.ts'
import { ago, paint, table, until } from '../render.ts'

/** login, token, and the credential helper git calls. */
export function access(program: Command, run: Run): void {
  program
    .command('login [url]')
    .description('sign in with the one-time code the server printed, or with a token')
    .option('--code <code>', 'the one-time code')
    .option('--token', 'read a token from standard input')
    .option('--keep-default', 'do not make this server the default when another one is')
    .option('--name <name>', 'name of the token that is made', `${process.env['USER'] ?? 'admin'}@${hostname()}`)
    .action(run((terminal, [url], options: LoginOptions) => login(terminal, url, options)))
  program
    .command('logout')
    .description('forget the token of this server')
    .action(
      run(async (terminal) =>
        terminal.show({ url: await forget() }, ({ url }) =>
          url === null ? 'You were not signed in.' : `The token for ${url} is forgotten here; "lockgate token revoke" makes it worthless everywhere.`,
        ),
      ),
    )
  const token = program.command('token').description('create, list and revoke tokens')
  token
    .command('create <name>')
    .description('create a token; it is shown once')
    .option('--role <role>', 'viewer, developer, releaser or admin', 'developer')
    .option('--days <number>', 'how long it lives', '90')
    .option('--project <name>', 'only for this project')
    .action(
      run(async (terminal, [name = ''], options: { role: string; days: string; project?: string }) => {
        const role = endpoints.createToken.body.shape.role.safeParse(options.role)
        if (!role.success) throw new CliError('A role is viewer, developer, releaser or admin.', EXIT.usage)
        const answer = await terminal.client.call(endpoints.createToken, {
          body: { name, role: role.data, days: Number(options.days), ...(options.project === undefined ? {} : { project: options.project }) },
        })
        terminal.show(
          answer,
          () =>
            `${answer.secret}\n${paint('dim', `Keep it: it is not shown again. ${answer.token.role}, expires ${until(answer.token.expiresAt, terminal.now)}.`)}`,
        )
      }),
    )
  token
    .command('list')
    .description('list tokens')
    .action(
      run(async (terminal) => {
        const answer = await terminal.client.call(endpoints.listTokens, {})
        terminal.show(answer, () =>
          table(
            ['id', 'name', 'role', 'project', 'expires', 'last used'],
            answer.map((one) => [
              one.id,
              one.name,
              one.role,
              one.project ?? 'all',
              one.revokedAt === null ? until(one.expiresAt, terminal.now) : 'revoked',
              ago(one.lastUsedAt, terminal.now),
            ]),
          ),
        )
      }),
    )
  token
    .command('revoke <id>')
    .description('make a token worthless at once')
    .action(
      run(async (terminal, [id = '']) =>
        terminal.show(await terminal.client.call(endpoints.revokeToken, { params: { id } }), (one) => `${one.name} is revoked`),
      ),
    )
  program
    .command('credential <action>', { hidden: true })
    .description('git calls this: gitcredentials(7)')
    .action(run((_terminal, [action]) => credential(action ?? '')))
}

interface LoginOptions {
  readonly code?: string
  readonly token?: boolean
  readonly keepDefault?: boolean
  readonly name: string
}

async function login(terminal: Terminal, given: string | undefined, options: LoginOptions): Promise<void> {
  const url = given === undefined ? (await account()).url : serverUrl(given)
  const secret = options.token
    ? (await text(process.stdin)).trim()
    : (await connectTo({ url, token: null }).call(endpoints.signIn, { body: { code: options.code ?? (await askCode()), name: cleanName(options.name) } }))
        .secret
  const me = await connectTo({ url, token: secret }).call(endpoints.me, {})
  const current = await remember(url, secret, options.keepDefault)
  const other = current === url ? '' : ` The default stays ${current}; LOCKGATE_URL=${url} chooses this one.`
  terminal.show({ url, name: me.name, role: me.role, default: current }, () => `Signed in to ${url} as ${me.name} (${me.role}).${other}`)
}

function cleanName(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9 ._@-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 100) || 'admin'
  )
}

async function askCode(): Promise<string> {
  if (!process.stdin.isTTY) throw new CliError('Give the one-time code with --code, or a token with --token.', EXIT.usage)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await prompt.question('One-time code (bin/up --new-code prints one): ')
  } finally {
    prompt.close()
  }
}

/** Answers git's `get` for a server we know; `store` and `erase` are not ours to do. */
async function credential(action: string): Promise<void> {
  const asked = new Map(
    (await text(process.stdin))
      .split('\n')
      .flatMap((line) => (line.includes('=') ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const] : [])),
  )
  if (action !== 'get') return
  const token = await tokenFor(`${asked.get('protocol') ?? ''}://${asked.get('host') ?? ''}`)
  if (token === null) throw new CliError('lockgate: not signed in to this server; "lockgate login" does that.', EXIT.notAllowed)
  process.stdout.write(`username=lockgate\npassword=${token}\n`)
}
