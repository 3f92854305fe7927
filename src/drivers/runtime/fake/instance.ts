import { createServer, type Server } from 'node:http'
import type { ContainerState, ObservedInstance } from '../../../core/instance/instance.ts'
import type { InstanceSpec, LogLine } from '../types.ts'
import { type Behaviour, behaviourOf } from './behaviour.ts'

const KEPT_LINES = 2_000
const BACKOFF_MS = 50

/** One fake copy: a small HTTP server of this process on a loopback address. */
export class FakeInstance {
  readonly behaviour: Behaviour
  readonly lines: LogLine[] = []
  spec: InstanceSpec
  state: ContainerState = 'created'
  readonly #changed: (name: string) => void
  #server: Server | null = null
  #timers: NodeJS.Timeout[] = []
  #exitCode: number | null = null
  #restarts = 0
  #startedAt: number | null = null
  #stopping = false

  constructor(spec: InstanceSpec, changed: (name: string) => void) {
    this.spec = spec
    this.behaviour = behaviourOf(spec.digest)
    this.#changed = changed
  }

  get address(): string {
    return loopbackOf(this.spec.address ?? '127.0.0.1')
  }

  get port(): number {
    return Number(this.spec.env['PORT'] ?? 8080)
  }

  get isListening(): boolean {
    return this.#server?.listening ?? false
  }

  observe(): ObservedInstance {
    const { name, environmentId, kind, set, ordinal, key, digest } = this.spec
    const isOver = this.state === 'exited' || this.state === 'restarting'
    return {
      ...{ name, environmentId, kind, set, ordinal, key, digest, state: this.state },
      exitCode: isOver ? this.#exitCode : null,
      oomKilled: isOver && this.behaviour.isOutOfMemory,
      restarts: this.#restarts,
      address: this.address,
      startedAt: this.#startedAt,
    }
  }

  start(): void {
    if (this.state === 'running') return
    this.state = 'running'
    this.#stopping = false
    this.#startedAt = Date.now()
    this.#changed(this.spec.name)
    if (this.spec.kind === 'one-off') return this.#runOnce()
    const { exitsWith, afterMs, startDelayMs } = this.behaviour
    if (exitsWith !== null && afterMs === 0) return this.#later(0, () => this.#exit(exitsWith))
    if (exitsWith !== null) this.#later(afterMs, () => this.#exit(exitsWith))
    this.#later(startDelayMs, () => this.#listen())
  }

  /** As SIGTERM, the grace, and SIGKILL would. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.state === 'exited' || this.state === 'created') return
    this.#write('stderr', `got ${this.spec.stopSignal ?? 'SIGTERM'}`)
    const wait = new Promise<number>((resolve) => {
      const grace = setTimeout(() => resolve(137), this.spec.stopGraceMs)
      if (this.behaviour.isStubborn) return
      const done = (): void => {
        clearTimeout(grace)
        resolve(0)
      }
      if (!this.#server) return done()
      this.#server.close(done)
      this.#server.closeIdleConnections()
    })
    this.#exit(await wait)
  }

  /** As SIGKILL: from outside, or by the engine. */
  crash(status = 137): void {
    if (this.state === 'running') this.#exit(status)
  }

  /** Ends everything of it, for removal. */
  dispose(): void {
    this.#stopping = true
    this.#clear()
    this.state = 'exited'
    this.#changed(this.spec.name)
  }

  #listen(): void {
    const server = createServer((request, response) => {
      const answer = (): void => {
        const failed = this.behaviour.exitsWith === null && this.behaviour.afterMs > 0 && Date.now() - (this.#startedAt ?? 0) > this.behaviour.afterMs
        const isStranger = this.behaviour.host !== null && request.headers.host !== this.behaviour.host
        const status = failed ? 500 : isStranger ? 400 : this.behaviour.answers
        this.#write('stdout', `${request.method} ${request.url} ${status}`)
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-instance': this.spec.name })
        response.end(`Hello from ${this.spec.name}, image fake:${this.behaviour.name}. ${this.spec.env['GREETING'] ?? ''}\n`)
      }
      request.resume()
      setTimeout(answer, this.behaviour.lagMs)
    })
    server.on('error', (error) => {
      this.#write('stderr', error.message)
      this.#exit(1)
    })
    server.listen(this.port, this.address, () => {
      this.#write('stdout', `listening on ${this.address}:${this.port}`)
      this.#changed(this.spec.name)
    })
    server.unref()
    this.#server = server
  }

  #runOnce(): void {
    const [word = 'true', ...rest] = this.spec.command ?? []
    if (word === 'echo') this.#write('stdout', rest.join(' '))
    const ms = word === 'sleep' ? Number(rest[0] ?? 1) * 1000 : 0
    const status = word === 'exit' ? Number(rest[0] ?? 0) : word === 'false' ? 1 : (this.behaviour.exitsWith ?? 0)
    this.#later(ms, () => this.#exit(status))
  }

  #exit(status: number): void {
    if (this.state !== 'running') return
    this.#clear()
    this.#exitCode = status
    const again = this.spec.keepAlive && status !== 0 && !this.#stopping
    this.state = again ? 'restarting' : 'exited'
    this.#write('stderr', `exited with ${status}`)
    this.#changed(this.spec.name)
    if (!again) return
    this.#later(BACKOFF_MS * 2 ** Math.min(this.#restarts, 8), () => {
      this.#restarts++
      this.start()
    })
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
    this.#server?.close()
    this.#server?.closeAllConnections()
    this.#server = null
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(work, ms)
    timer.unref()
    this.#timers.push(timer)
  }

  #write(stream: LogLine['stream'], text: string): void {
    this.lines.push({ stream, text, at: Date.now() })
    if (this.lines.length > KEPT_LINES) this.lines.splice(0, this.lines.length - KEPT_LINES)
  }
}

/** An address of this machine: 127/8 stays as it is, of any other the last three numbers are kept. */
export function loopbackOf(address: string): string {
  return address.startsWith('127.') ? address : `127.${address.split('.').slice(1).join('.')}`
}
