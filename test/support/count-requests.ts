// Asks an app all the time and counts what fails. Stands alone: it is copied to a machine, and runs there with Node and nothing else.
//   node count-requests.ts HOST FILE
import { renameSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'

/** What it writes, again and again. */
export interface Counts {
  readonly sent: number
  readonly failed: number
  readonly slowestMs: number
  /** The first faults, with the time of day. */
  readonly faults: readonly string[]
}

const EVERY_MS = 100
/** A machine in emulation that installs packages is slow; a lost request is silent for ever. */
const PATIENCE_MS = 60_000

function main(host: string, file: string): void {
  // Every other request comes on a connection that is kept: a reload of the edge must not cut it.
  const agents = [new Agent({ keepAlive: true, maxSockets: 8 }), new Agent({ keepAlive: false })]
  let [sent, failed, slowestMs] = [0, 0, 0]
  const faults: string[] = []
  const fail = (what: string): void => {
    failed += 1
    if (faults.length < 20) faults.push(`${new Date().toISOString()} ${what}`)
  }
  const ask = (): void => {
    const began = performance.now()
    const agent = agents[sent % agents.length]
    sent += 1
    const asking = request({ host: '127.0.0.1', port: 80, path: '/', headers: { host }, timeout: PATIENCE_MS, ...(agent ? { agent } : {}) }, (answer) => {
      answer.resume()
      answer.on('end', () => {
        slowestMs = Math.max(slowestMs, Math.round(performance.now() - began))
        if (answer.statusCode !== 200) fail(`status ${answer.statusCode}`)
      })
      answer.on('error', (error) => fail(error.message))
    })
    asking.on('timeout', () => asking.destroy(new Error(`nothing within ${PATIENCE_MS} ms`)))
    asking.on('error', (error) => fail(error.message))
    asking.end()
  }
  const write = (): void => {
    writeFileSync(`${file}.new`, JSON.stringify({ sent, failed, slowestMs, faults } satisfies Counts))
    renameSync(`${file}.new`, file)
  }
  setInterval(ask, EVERY_MS)
  setInterval(write, 1_000)
}

const [host = '', file = ''] = process.argv.slice(2)
main(host, file)
