// A Docker engine of a test's own, to be stopped, killed and started again: own data, own socket, no rules in the firewall.
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { makeFolder } from '../../src/lib/files.ts'
import { findProcesses, signal } from '../../src/lib/processes.ts'
import { launch, run } from '../../src/lib/run.ts'
import { until } from './until.ts'

/** The default bridge of such an engine is named by this and the pid of its test. */
export const ENGINE_BRIDGE = 'lgp'
/** Nothing is ever attached to it. */
const DEFAULT_BRIDGE_ADDRESS = '10.254.254.1/30'

export interface OwnEngine {
  readonly socket: string
  /** Copies images of the machine's engine into it. */
  load(tags: readonly string[]): Promise<void>
  /** SIGSTOP: it takes connections and answers nothing. */
  freeze(): void
  thaw(): void
  /** `kill -9`; instances stay up, as live-restore has them. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** Starts one in a folder; networks of its instances lie in the range. */
export async function startOwnEngine(folder: string, range: string): Promise<OwnEngine> {
  const socket = join(folder, 'docker.sock')
  await makeFolder(folder)
  const bridge = `${ENGINE_BRIDGE}${process.pid}`
  let child: ChildProcess | null = null
  let said = ''
  // As systemd has it: a unit of its own, which the death of dockerd leaves alone.
  const below = join(folder, 'containerd.sock')
  const containerd = launch('containerd', ['--root', join(folder, 'containerd'), '--state', join(folder, 'run'), '--address', below], { env: { HOME: folder } })
  containerd.stdout?.resume()
  containerd.stderr?.resume()
  const start = async (): Promise<void> => {
    const dirs = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid'), '--containerd', below]
    // The other engine's firewall is not ours to change. A default bridge of its own: with `--bridge none` dockerd would delete
    // docker0, which is the other engine's.
    const net = ['--bridge', bridge, '--iptables=false', '--ip6tables=false', '--ip-masq=false', '--userland-proxy=false']
    const started = launch('dockerd', ['--host', `unix://${socket}`, ...dirs, ...net, '--live-restore'], { env: { HOME: folder } })
    child = started
    for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
    await until(
      'the engine answers',
      () => {
        if (started.exitCode !== null) throw new Error(`dockerd ended: ${said}`)
        return answers(socket)
      },
      60_000,
    )
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child?.once('exit', resolve))
    child.kill(signal)
    await gone
  }
  await until('containerd is there', () => existsSync(below), 30_000)
  await run('ip', ['link', 'add', 'name', bridge, 'type', 'bridge'], { anyStatus: true })
  await run('ip', ['addr', 'replace', DEFAULT_BRIDGE_ADDRESS, 'dev', bridge])
  await start()
  return {
    socket,
    load: async (tags) => {
      for (const tag of tags) await copyImage(tag, socket)
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    start,
    stop: async () => {
      child?.kill('SIGCONT')
      await end('SIGTERM')
      const gone = new Promise((resolve) => containerd.once('exit', resolve))
      containerd.kill('SIGTERM')
      await gone
      await removeRests(folder, range)
      await run('ip', ['link', 'delete', bridge], { anyStatus: true })
    },
  }
}

/** Where a test failed half way, instances outlive their engine, and so do their bridges. */
async function removeRests(folder: string, range: string): Promise<void> {
  for (const { pid } of await findProcesses((args) => args.includes(`${folder}/containerd.sock`))) signal(pid, 'SIGKILL')
  const bridges = await run('ip', ['-o', '-4', 'addr', 'show', 'to', range], { anyStatus: true })
  for (const line of bridges.stdout.split('\n').filter((text) => text !== ''))
    await run('ip', ['link', 'delete', line.split(/\s+/)[1] ?? ''], { anyStatus: true })
  // What the engine mounted below its folder goes with it.
  await run('umount', ['--recursive', '--lazy', '--quiet', join(folder, 'data')], { anyStatus: true })
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request({ socketPath, path: '/_ping', timeout: 1_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(false))
    asking.end()
  })
}

function copyImage(tag: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const from = request({ socketPath: '/var/run/docker.sock', path: `/images/${tag}/get` }, (image) => {
      if (image.statusCode !== 200) return reject(new Error(`${tag}: ${image.statusCode}`))
      const into = request({ socketPath: to, path: '/images/load?quiet=1', method: 'POST', headers: { 'content-type': 'application/x-tar' } }, (response) => {
        response.resume()
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`load: ${response.statusCode}`))))
      })
      into.on('error', reject)
      image.pipe(into)
    })
    from.on('error', reject)
    from.end()
  })
}
