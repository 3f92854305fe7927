import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { randomWord } from '../lib/ids.ts'
import { jsonLine } from '../lib/json-line.ts'
import type { PushedBy, PushReceiver, RefCommand } from './push.ts'

const Hello = z.strictObject({ ticket: z.string(), commands: z.array(z.strictObject({ before: z.string(), after: z.string(), ref: z.string() })).max(10_000) })

/**
 * Where our hook, started by git, reaches the server that started git: a socket file only the server's user can open. A
 * ticket, made for one push, says who pushes to what.
 */
export class HookSocket {
  readonly path: string
  readonly #receiver: PushReceiver
  readonly #tickets = new Map<string, PushedBy>()
  #server: Server | null = null

  constructor(path: string, receiver: PushReceiver) {
    this.path = path
    this.#receiver = receiver
  }

  async listen(): Promise<void> {
    await rm(this.path, { force: true })
    const server = createServer((socket) => void this.#serve(socket))
    const mask = process.umask(0o077)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.path, resolve)
    })
    process.umask(mask)
    this.#server = server
  }

  close(): void {
    this.#server?.close()
  }

  /** A ticket for one push; `done` makes it worthless. */
  issue(by: PushedBy): { readonly ticket: string; readonly done: () => void } {
    const ticket = randomWord(32)
    this.#tickets.set(ticket, by)
    return { ticket, done: () => void this.#tickets.delete(ticket) }
  }

  async #serve(socket: Socket): Promise<void> {
    // A hook that was killed with its git: what was begun goes on, only nobody listens.
    socket.on('error', () => undefined)
    const send = (message: unknown): void => void (socket.writable && socket.write(jsonLine(message)))
    const line = await firstLine(socket)
    const hello = Hello.safeParse(jsonOf(line))
    const by = hello.success ? this.#tickets.get(hello.data.ticket) : undefined
    if (!hello.success || !by) {
      socket.destroy()
      return
    }
    for (const command of hello.data.commands) {
      const refused = await this.#receiver.receive(command satisfies RefCommand, by, (text) => send({ print: text }))
      send({ result: { ref: command.ref, refused } })
    }
    send({ end: true })
  }
}

function firstLine(socket: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    createInterface({ input: socket })
      .once('line', resolve)
      .once('close', () => resolve(null))
      // The lines' reader repeats the errors of its socket: unheard, one would end the server.
      .on('error', () => resolve(null))
  })
}

function jsonOf(line: string | null): unknown {
  try {
    return line === null ? null : JSON.parse(line)
  } catch {
    return null
  }
}
