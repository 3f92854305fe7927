// The proc-receive hook: git starts it with the refs of a push (githooks(5)). It hands them to the server over its socket,
// prints what the server says, and answers git for each ref. It decides nothing.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { jsonLine } from '../lib/json-line.ts'
import { FLUSH, packet, packets } from './packet-line.ts'

/** What the server sends, one JSON value a line. */
type FromServer = { readonly print: string } | { readonly result: { readonly ref: string; readonly refused: string | null } } | { readonly end: true }

async function main(): Promise<void> {
  const reader = packets(process.stdin)
  await readUntilFlush(reader)
  process.stdout.write(packet('version=1\n') + FLUSH)
  const commands = (await readUntilFlush(reader)).map((line) => {
    const [before = '', after = '', ...ref] = line.split(' ')
    return { before, after, ref: ref.join(' ') }
  })
  const answers = await ask(commands)
  for (const { ref } of commands) {
    const refused = answers.get(ref) ?? null
    const known = answers.has(ref)
    process.stdout.write(packet(known && refused === null ? `ok ${ref}\n` : `ng ${ref} ${refused ?? 'the server went away; what it began goes on'}\n`))
  }
  process.stdout.write(FLUSH)
}

async function readUntilFlush(reader: AsyncGenerator<string | null>): Promise<string[]> {
  const lines: string[] = []
  for (;;) {
    const next = await reader.next()
    if (next.done || next.value === null) return lines
    lines.push(next.value)
  }
}

function ask(commands: readonly { readonly before: string; readonly after: string; readonly ref: string }[]): Promise<Map<string, string | null>> {
  const answers = new Map<string, string | null>()
  return new Promise((resolve) => {
    const socket = connect(process.env['LOCKGATE_HOOK_SOCKET'] ?? '')
    socket.on('error', () => resolve(answers))
    socket.on('close', () => resolve(answers))
    socket.write(jsonLine({ ticket: process.env['LOCKGATE_PUSH_TICKET'] ?? '', commands }))
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as FromServer
      if ('print' in message) process.stderr.write(`${message.print}\n`)
      else if ('result' in message) answers.set(message.result.ref, message.result.refused)
      else socket.end()
    })
  })
}

await main()
