import type { Command } from 'commander'
import type { z } from 'zod'
import { endpoints } from '../../api/contract/endpoints.ts'
import { shortInstance } from '../../api/contract/flow.ts'
import type { LogRecord } from '../../api/contract/resources.ts'
import { plainText } from '../../lib/control-bytes.ts'
import { CliError, CommandEnded, EXIT } from '../exit.ts'
import type { Run, Terminal } from '../output.ts'
import { placeNamed } from '../place.ts'
import { paint } from '../render.ts'

interface LogOptions {
  readonly environment?: string
  readonly lines: string
  readonly follow?: boolean
  readonly build?: string
  readonly oneOff?: string
}

/** logs and run: what apps say. */
export function logs(program: Command, run: Run): void {
  program
    .command('logs [app]')
    .description('the logs of all instances, of a build or of a one-off')
    .option('-e, --environment <name>', 'environment', 'production')
    .option('-n, --lines <number>', 'how many of the last lines', '100')
    .option('-f, --follow', 'go on as they come')
    .option('--build <id>', 'of a build')
    .option('--one-off <id>', 'of a one-off or release command')
    .action(run((terminal, [app], options: LogOptions) => show(terminal, app, options)))
  program
    .command('run <app> <command...>')
    .description('run a command once in the image and configuration that run now; it reads standard input, and its exit status is given')
    .option('-e, --environment <name>', 'environment', 'production')
    .passThroughOptions()
    .action(
      run((terminal, [app, ...words], options: { environment?: string }) =>
        runOnce(terminal, { app, command: words[0] === '--' ? words.slice(1) : words, environment: options.environment }),
      ),
    )
}

async function show(terminal: Terminal, app: string | undefined, options: LogOptions): Promise<void> {
  const query = { lines: options.lines }
  if (options.build !== undefined) {
    const input = { params: { id: options.build }, query }
    if (options.follow) return print(terminal, terminal.client.follow(endpoints.followBuildLog, input))
    return print(terminal, await terminal.client.call(endpoints.readBuildLog, input))
  }
  if (options.oneOff !== undefined) return print(terminal, terminal.client.follow(endpoints.followOneOffLog, { params: { id: options.oneOff }, query }))
  const input = { params: await placeNamed(app, options.environment), query }
  if (options.follow) return print(terminal, terminal.client.follow(endpoints.followLogs, input))
  return print(terminal, await terminal.client.call(endpoints.readLogs, input))
}

type Line = z.output<typeof LogRecord>

async function print(terminal: Terminal, lines: AsyncIterable<Line> | Iterable<Line>): Promise<void> {
  const colours = process.stdout.isTTY ?? false
  for await (const line of lines) {
    const time = new Date(line.at).toISOString().slice(11, 23)
    const source = line.source === null ? '' : `${shortInstance(line.source)} `
    if (terminal.json) process.stdout.write(`${JSON.stringify(line)}\n`)
    else process.stdout.write(`${paint('dim', `${time} ${source}`)}${plainText(line.text, colours)}\n`)
  }
}

async function runOnce(
  terminal: Terminal,
  asked: { readonly app: string | undefined; readonly command: readonly string[]; readonly environment: string | undefined },
): Promise<void> {
  const params = await placeNamed(asked.app, asked.environment)
  const input = await standardInput()
  const body = { command: [...asked.command], ...(input.length === 0 ? {} : { input: input.toString('base64') }) }
  const { id } = await terminal.client.call(endpoints.runOneOff, { params, body })
  process.on('SIGINT', () => void terminal.client.call(endpoints.cancelOneOff, { params: { id } }).catch(() => process.exit(EXIT.interrupted)))
  for await (const line of terminal.client.follow(endpoints.followOneOffLog, { params: { id }, query: { lines: 10_000 } })) {
    const stream = line.stream === 'stderr' ? process.stderr : process.stdout
    if (!terminal.json) stream.write(`${plainText(line.text, stream.isTTY)}\n`)
  }
  const end = await terminal.client.call(endpoints.readOneOff, { params: { id } })
  if (terminal.json) terminal.show(end, () => '')
  if (end.status !== 'succeeded') throw new CommandEnded(`${id} ${end.status}: ${end.message}`, end.exitCode || EXIT.failed)
}

const LARGEST_INPUT = 512 * 1024
const WAIT_MS = 2_000

/** All of standard input, unless it is a terminal: a command gets what was there before it began. */
async function standardInput(): Promise<Buffer> {
  if (process.stdin.isTTY) return Buffer.alloc(0)
  const waiting = setTimeout(() => process.stderr.write('Reading standard input to its end; "</dev/null" gives the command none.\n'), WAIT_MS)
  try {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > LARGEST_INPUT)
        throw new CliError(`Standard input is larger than ${LARGEST_INPUT / 1024} KiB: put it where the command can fetch it.`, EXIT.usage)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(waiting)
  }
}
