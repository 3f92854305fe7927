import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { z } from 'zod'
import type { Endpoint } from '../../src/api/contract/endpoint.ts'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { EXIT, EXIT_MEANINGS } from '../../src/cli/exit.ts'
import { makeProgram } from '../../src/cli/program.ts'
import { ROLES } from '../../src/core/actor/actor.ts'
import { may, PERMISSIONS, type Permission } from '../../src/core/actor/may.ts'
import { PRODUCTION } from '../../src/core/app/app.ts'
import { Manifest } from '../../src/core/app/manifest.ts'
import { BUILD_TRANSITIONS } from '../../src/core/build/build.ts'
import { DEPLOYMENT_TRANSITIONS } from '../../src/core/deployment/deployment.ts'
import { ONE_OFF_TRANSITIONS } from '../../src/core/one-off/one-off.ts'
import { builders } from '../../src/drivers/builder/index.ts'
import { edges } from '../../src/drivers/edge/index.ts'
import { runtimes } from '../../src/drivers/runtime/index.ts'
import { Settings } from '../../src/settings.ts'
import { code, schemaTable, table } from './schema-table.ts'

/** settings.md: the server's own settings, and those of every driver. */
export function settingsPage(): string {
  const kinds = { runtime: runtimes, edge: edges, builder: builders }
  const drivers = Object.entries(kinds).flatMap(([kind, all]) =>
    Object.values(all).map(({ name, Config }: { readonly name: string; readonly Config: z.ZodType }) => {
      const about = Config.description === undefined ? '' : `${Config.description}.\n\n`
      return `## ${kind}: ${name}\n\n${about}Keys of \`${kind}.config\` when \`${kind}.driver\` is \`${name}\`.\n\n${schemaTable(Config)}`
    }),
  )
  return `# Settings

The server reads one file, \`settings.json\`, written by \`bin/up\` and by people (\`/etc/lockgate\`, or the
folder of \`--home\`); \`bin/up\` again makes the server follow it. An unknown key is an error: the server does not start with
a setting it would not follow.

${schemaTable(Settings)}

${drivers.join('\n\n')}`
}

/** lockgate-yaml.md. */
export function manifestPage(): string {
  return `# lockgate.yaml

What a repository says about how it is built and run. Every key may be left out; an unknown one is an error, with its
place. Durations are written \`500ms\`, \`30s\`, \`5m\`, \`1h\`, and memory \`256MB\`, \`2GB\`. A command is a list of arguments; a
text is split at spaces and never sees a shell. Editors check the file with
[lockgate.schema.json](lockgate.schema.json), which every server also hands out at \`/lockgate.schema.json\`.

${schemaTable(Manifest)}`
}

/** states.md: the state machines as Mermaid diagrams. */
export function statesPage(): string {
  const machine = (title: string, transitions: Readonly<Record<string, readonly string[]>>): string => {
    const [first = ''] = Object.keys(transitions)
    const arrows = Object.entries(transitions).flatMap(([from, next]) => (next.length === 0 ? [`  ${from} --> [*]`] : next.map((to) => `  ${from} --> ${to}`)))
    return `## ${title}\n\n\`\`\`mermaid\nstateDiagram-v2\n  [*] --> ${first}\n${arrows.join('\n')}\n\`\`\``
  }
  return `# State machines

Status says where a thing is, its cause says why. A status is written by one function only, which refuses what is not
drawn here; what has ended stays as it is.

${machine('Build', BUILD_TRANSITIONS)}

A build goes from running back to queued when the server ended in the middle of it.

${machine('Deployment', DEPLOYMENT_TRANSITIONS)}

${machine('One-off', ONE_OFF_TRANSITIONS)}`
}

/** permissions.md: who may do what. */
export function permissionsPage(): string {
  const rows = Object.entries(PERMISSIONS).map(([permission, meaning]) => {
    const cells = ROLES.map((role) => cellOf(role, permission as Permission))
    return [code(permission), meaning, ...cells]
  })
  return `# Permissions

Every token has a role, and each role may all that the one before may. A token of a project sees that project and
nothing else. Every route names one permission (see [api.md](api.md)); there is no other way in.

${table(['permission', 'to', ...ROLES], rows)}`
}

function cellOf(role: (typeof ROLES)[number], permission: Permission): string {
  const actor = { kind: 'token', id: 'k-1', name: 'somebody', role, projectId: null } as const
  if (may(actor, permission, { name: PRODUCTION })) return 'yes'
  return may(actor, permission) ? 'not in production' : '–'
}

/** api.md: every route in one table; the shapes are in openapi.json. */
export function apiPage(): string {
  const rows = Object.entries(endpoints).map(([name, one]: [string, Endpoint]) => [
    code(`${one.method} ${one.path}`),
    one.stream ? `${one.summary} (stream)` : one.summary,
    one.permission === 'public' ? 'public' : code(one.permission),
    code(name),
  ])
  return `# API

JSON over HTTP, at \`/v1\`. A token goes along as \`Authorization: Bearer\`. Errors are problem documents, see
[errors.md](errors.md). Streams are server-sent events that go on after \`Last-Event-ID\`. Bodies and answers are described in
[openapi.json](openapi.json), which the server also hands out at \`/openapi.json\`.

${table(['route', 'does', 'needs', 'operation'], rows)}`
}

/** cli.md: every command with its options, and what the exit status says. */
export function cliPage(): string {
  const commands = leaves(makeProgram()).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const sections = commands.map(([name, command]) => {
    const usage = `${name} ${command.usage()}`
    const options = command.options.map((option) => [code(option.flags), optionText(option)])
    const given = command.registeredArguments.filter((one) => one.description !== '').map((one) => [code(one.name()), one.description])
    return [
      `## ${name}`,
      command.description(),
      `\`\`\`\n${usage}\n\`\`\``,
      ...(given.length + options.length > 0 ? [table(['', ''], [...given, ...options])] : []),
    ].join('\n\n')
  })
  const exits = Object.entries(EXIT).map(([name, status]) => [String(status), EXIT_MEANINGS[name as keyof typeof EXIT]])
  return `# Command line

\`lockgate\` talks to the API and to nothing else. With \`--json\` every answer is JSON. \`LOCKGATE_URL\` and \`LOCKGATE_TOKEN\`
stand in for what \`lockgate login\` keeps; \`NO_COLOR\` is respected.

## Exit status

${table(['status', 'meaning'], exits)}

${sections.join('\n\n')}`
}

function optionText(option: Command['options'][number]): string {
  return option.defaultValue === undefined ? option.description : `${option.description} (default ${JSON.stringify(option.defaultValue)})`
}

function leaves(command: Command, prefix = ''): [string, Command][] {
  const name = `${prefix}${command.name()}`
  return command.commands.length === 0 ? [[name, command]] : command.commands.flatMap((child) => leaves(child, `${name} `))
}

/** schema.md: the tables of the database, from the comments of the migrations. */
export async function databasePage(root: string): Promise<string> {
  const folder = join(root, 'src/store/migrations')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  const sql = (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('\n')
  const tables = [...sql.matchAll(/^create table (\w+) \(\n([\s\S]*?)^\);/gm)].map(([, name = '', body = '']) => {
    const added = [...sql.matchAll(new RegExp(`^alter table ${name} add column (.*)$`, 'gm'))].map(([, column = '']) => `  ${column}`)
    const columns = [...body.split('\n'), ...added].flatMap((line) => {
      const [, column = '', type = '', comment = ''] = /^ {2}"?(\w+)"? (.*?)[,;]?\s*-- (.*)$/.exec(line) ?? []
      return column === '' || /^(primary|unique|check|foreign)$/.test(column) ? [] : [[code(column), type.replace(/,$/, ''), comment]]
    })
    return `## ${name}\n\n${table(['column', 'type', 'meaning'], columns)}`
  })
  return `# Database

For those who look into the database with their own eyes; programs ask the API. Times are milliseconds since 1970, and
JSON stands as text. Made by the migrations ${names.map(code).join(', ')}.

${tables.join('\n\n')}`
}
