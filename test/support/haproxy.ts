import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { z } from 'zod'
import { Config } from '../../src/drivers/edge/haproxy/schema.ts'
import { MasterSocket } from '../../src/drivers/edge/haproxy/socket.ts'
import { haproxyArguments, masterSocketPath, writeInitial } from '../../src/drivers/edge/haproxy/start.ts'
import { launch } from '../../src/lib/run.ts'
import { ownFolder } from './folder.ts'
import { until } from './until.ts'

export interface RunningHaproxy {
  readonly config: Config
  /** Pid of the master that runs now. */
  pid(): number
  /** How often the keeper had to start it. */
  starts(): number
  /** Kills master and workers as a crash would, and waits until the keeper has it answer again. */
  crash(): Promise<void>
  stop(): Promise<void>
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** HAProxy in a folder of its own, kept alive as systemd or our supervisor would. Stop it in the end. */
export async function startHaproxy(overrides: Partial<z.input<typeof Config>> = {}): Promise<RunningHaproxy> {
  const directory = ownFolder('edge')
  const config = Config.parse({ directory, httpPort: await freePort(), bind: '127.0.0.1', ...overrides })
  await writeInitial(config)
  const keeper = new Keeper(config)
  keeper.start()
  await answers(config).catch((cause: unknown) => {
    throw new Error(`HAProxy did not start: ${keeper.said}`, { cause })
  })
  return {
    config,
    pid: () => keeper.pid,
    starts: () => keeper.starts,
    crash: async () => {
      const before = keeper.starts
      process.kill(keeper.pid, 'SIGKILL')
      await until(`HAProxy is started again`, () => keeper.starts > before)
      await answers(config)
    },
    stop: async () => {
      await keeper.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

class Keeper {
  readonly #config: Config
  #child: ReturnType<typeof launch> | null = null
  #stopping = false
  starts = 0
  said = ''

  constructor(config: Config) {
    this.#config = config
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('HAProxy does not run')
    return this.#child.pid
  }

  start(): void {
    this.starts += 1
    const child = launch(this.#config.program, haproxyArguments(this.#config))
    const hear = (chunk: Buffer): void => {
      this.said = (this.said + chunk.toString()).slice(-8_000)
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.on('exit', () => {
      if (!this.#stopping && this.starts < 20) this.start()
    })
    this.#child = child
  }

  async stop(): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await gone
  }
}

/** Resolves when connections are taken and the master can be asked. */
async function answers(config: Config): Promise<void> {
  await until(`HAProxy listens on ${config.httpPort}`, () => takesConnections(config.httpPort))
  // The master opens its own socket a little after the worker serves.
  const socket = new MasterSocket(masterSocketPath(config))
  await until('the master answers', () =>
    socket.workers().then(
      (workers) => workers.current !== null,
      () => false,
    ),
  )
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
