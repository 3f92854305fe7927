// Answers for a program that cannot be started: whoever connects to its sockets is told so at once, and does not hang in them.
import { closeSync, openSync } from 'node:fs'
import { signal } from './processes.ts'
import { detach } from './run.ts'

const PAGE = '<!doctype html><title>Not available</title><h1>Not available</h1><p>The server cannot be started at the moment. Try again in a minute.</p>\n'
const ANSWER = [
  'HTTP/1.1 503 Service Unavailable',
  'Content-Type: text/html; charset=utf-8',
  `Content-Length: ${PAGE.length}`,
  'Retry-After: 30',
  'Cache-Control: no-store',
  'Connection: close',
  '',
  PAGE,
].join('\r\n')

/** A process of its own, because a listening socket that Node takes over is closed with its server. Its open files begin at 3. */
const PROGRAM = `
const net = require('node:net')
for (let fd = 3; fd < 3 + Number(process.argv[1]); fd += 1)
  net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.setTimeout(5000, () => socket.destroy())
    socket.once('data', () => socket.end(process.argv[2]))
  }).listen({ fd })
`

/** Answers 503 on the sockets of a program, between the tries to start it. */
export class StandIn {
  #pid: number | null = null

  /** Begins to answer on these sockets; once is enough. */
  start(files: readonly number[]): void {
    if (this.#pid !== null || files.length === 0) return
    const nowhere = openSync('/dev/null', 'w')
    this.#pid = detach(process.execPath, ['-e', PROGRAM, String(files.length), ANSWER], { log: nowhere, env: {}, files })
    closeSync(nowhere)
  }

  /** Ends before the program is tried again: both would take connections. */
  stop(): void {
    if (this.#pid === null) return
    signal(this.#pid, 'SIGKILL')
    this.#pid = null
  }
}
