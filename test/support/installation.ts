// A whole Lockgate: its server as a process of its own, real Docker and HAProxy, and everything gone afterwards.
import type { ChildProcess } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import type { AnswerOf, Endpoint, InputOf } from '../../src/api/contract/endpoint.ts'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import type { Deployment, DeploymentLive, Environment } from '../../src/api/contract/resources.ts'
import { connectTo } from '../../src/cli/client.ts'
import { docker } from '../../src/drivers/runtime/docker/index.ts'
import type { Boxes, Runtime } from '../../src/drivers/runtime/types.ts'
import { SERVER_FLAGS } from '../../src/lib/node-flags.ts'
import { launch } from '../../src/lib/run.ts'
import { wipe } from './engine.ts'
import { ownFolder } from './folder.ts'
import { freePort, type RunningHaproxy, startHaproxy } from './haproxy.ts'
import { until } from './until.ts'

export type EnvironmentView = z.output<typeof Environment>
export type Live = z.output<typeof DeploymentLive>

export interface Installation {
  readonly edge: RunningHaproxy
  readonly apiUrl: string
  readonly token: string
  readonly directory: string
  /** The short id in the names and labels of everything it makes. */
  readonly name: string
  readonly boxes: Boxes
  readonly runtime: Runtime
  /** The engine's socket. */
  readonly engineSocket: string
  call<E extends Endpoint>(endpoint: E, input: InputOf<E>): Promise<AnswerOf<E>>
  /** Calls a verb, and gives how its deployment ended. */
  deploy(app: string, body: z.input<NonNullable<(typeof endpoints)['openDeployment']['body']>>, environment?: string): Promise<Live>
  ended(id: string): Promise<Live>
  /** Creates an app, and gives its hostname. */
  create(app: string): Promise<string>
  /** What runs in an environment, as the server says. */
  status(app: string, environment?: string): Promise<EnvironmentView>
  /** What the server has said so far. */
  log(): string
  pid(): number
  /** `kill -9`, without a start afterwards. */
  kill(): Promise<void>
  start(environment?: Readonly<Record<string, string>>): Promise<void>
  /** Ends the server in order; edge and instances stay. */
  stopServer(): Promise<void>
  /** Whether the server process has ended. */
  hasEnded(): boolean
  stop(): Promise<void>
}

export interface InstallationOptions {
  readonly settings?: Readonly<Record<string, unknown>>
  readonly range?: string
  /** Another engine than the machine's. */
  readonly engineSocket?: string
  /** The folder of the edge, where it is not to be one of its own. */
  readonly edgeDirectory?: string
  /** Run what `npm run build` made instead of the sources: for benchmarks. */
  readonly built?: boolean
  /** Something to do to its folder before the server starts; gives what undoes it. */
  readonly prepare?: (directory: string) => Promise<() => Promise<void>>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Starts one; its range must not meet that of another that runs at the same time. */
export async function anInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const directory = ownFolder('e2e')
  const undo = (await options.prepare?.(directory)) ?? (async () => undefined)
  const edge = await startHaproxy(options.edgeDirectory === undefined ? {} : { directory: options.edgeDirectory })
  const engineSocket = options.engineSocket ?? '/var/run/docker.sock'
  const port = await freePort()
  const settings = {
    dataDirectory: join(directory, 'data'),
    secretsDirectory: join(directory, 'secrets'),
    listen: { port },
    logLevel: 'debug',
    instanceRange: options.range ?? '10.211.0.0/16',
    edge: { driver: 'haproxy', config: edge.config },
    ...(options.engineSocket === undefined ? {} : { runtime: { driver: 'docker', config: { socket: engineSocket, timeoutMs: 5_000 } } }),
    ...options.settings,
  }
  await writeFile(join(directory, 'settings.json'), JSON.stringify(settings))
  const server = new ServerProcess(directory, { url: `http://127.0.0.1:${port}`, program: options.built ? 'dist/main.js' : 'src/main.ts' })
  try {
    await server.start({})
    const code = (await readFile(join(directory, 'data', 'sign-in-code'), 'utf8')).trim()
    const { secret } = await connectTo({ url: server.url, token: null }).call(endpoints.signIn, { body: { code } })
    return await around({ directory, edge, server, token: secret, undo, engineSocket })
  } catch (error) {
    await server.stop()
    await edge.stop()
    await undo()
    throw new Error(`the server did not start: ${server.said}`, { cause: error })
  }
}

interface Parts {
  readonly directory: string
  readonly edge: RunningHaproxy
  readonly server: ServerProcess
  readonly token: string
  readonly undo: () => Promise<void>
  readonly engineSocket: string
}

async function around(parts: Parts): Promise<Installation> {
  const { directory, edge, server, token, undo, engineSocket } = parts
  const client = connectTo({ url: server.url, token })
  const { name, boxes, runtime } = await engineOf(join(directory, 'data'), engineSocket)
  const ended = async (id: string): Promise<Live> => {
    let last: Live | null = null
    // A stream that breaks because the server was killed is taken up again.
    for await (const live of client.follow(endpoints.followDeployment, { params: { id } }, AbortSignal.timeout(120_000))) last = live
    if (last?.deployment.finishedAt == null) throw new Error(`deployment ${id} did not end: ${JSON.stringify(last?.deployment)}`)
    return last
  }
  return {
    edge,
    token,
    directory,
    name,
    boxes,
    runtime,
    engineSocket,
    apiUrl: server.url,
    call: (endpoint, input) => client.call(endpoint, input),
    ended,
    create: async (app) => {
      await client.call(endpoints.createApp, { body: { name: app as never } })
      return `${app}.localhost`
    },
    status: (app, environment = 'production') => client.call(endpoints.readEnvironment, { params: { app, environment } as never }),
    deploy: async (app, body, environment = 'production') => {
      const { deployment } = await client.call(endpoints.openDeployment, { params: { app, environment } as never, body })
      if (!deployment) throw new Error('no deployment was opened')
      return ended(deployment.id)
    },
    log: () => server.said,
    pid: () => server.pid,
    kill: () => server.kill(),
    start: (environment = {}) => server.start(environment),
    stopServer: () => server.stop(),
    hasEnded: () => server.hasEnded,
    stop: async () => {
      await server.stop()
      await edge.stop()
      await wipe(name, join(directory, 'data', 'volumes'), engineSocket)
      await undo()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The engine as the installation sees it. */
async function engineOf(data: string, socket: string): Promise<{ readonly name: string; readonly boxes: Boxes; readonly runtime: Runtime }> {
  const database = new DatabaseSync(join(data, 'lockgate.db'), { readOnly: true })
  const name = String(database.prepare("select value from meta where name = 'installation'").get()?.['value'])
  database.close()
  const { runtime, boxes } = await docker.create(docker.Config.parse({ installation: name, socket, volumesDirectory: join(data, 'volumes') }), undefined)
  if (!boxes) throw new Error('docker gives boxes')
  return { name, boxes, runtime }
}

class ServerProcess {
  readonly url: string
  readonly #directory: string
  #child: ChildProcess | null = null
  said = ''

  readonly #program: string

  constructor(directory: string, how: { readonly url: string; readonly program: string }) {
    this.#directory = directory
    this.url = how.url
    this.#program = how.program
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  get hasEnded(): boolean {
    return this.#child === null || this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async start(environment: Readonly<Record<string, string>>): Promise<void> {
    const child = launch(process.execPath, [...SERVER_FLAGS, join(ROOT, this.#program)], {
      env: { ...environment, LOCKGATE_SETTINGS: join(this.#directory, 'settings.json'), HOME: process.env['HOME'] ?? '/root' },
    })
    const hear = (chunk: Buffer): void => {
      this.said = (this.said + chunk.toString()).slice(-200_000)
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    this.#child = child
    await until('the server answers', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.said}`)
      return fetch(`${this.url}/v1/health`).then(
        (answer) => answer.ok,
        () => false,
      )
    })
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }
}

/** The words of the steps of a deployment, in the order they were begun. */
export function words(live: Live): string[] {
  return live.steps.map((step) => step.kind)
}

export type DeploymentView = z.output<typeof Deployment>
