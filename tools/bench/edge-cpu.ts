// CPU of HAProxy per request with our configuration, against one written by hand for a single app with the same headers,
// timeouts and threads. Read from /proc, because on a shared machine processor time is the only honest figure.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { haproxy } from '../../src/drivers/edge/haproxy/index.ts'
import { MasterSocket } from '../../src/drivers/edge/haproxy/socket.ts'
import { masterSocketPath } from '../../src/drivers/edge/haproxy/start.ts'
import { silentLog } from '../../src/lib/log.ts'
import { launch, run } from '../../src/lib/run.ts'
import { aTable } from '../../test/support/edge.ts'
import { freePort, startHaproxy } from '../../test/support/haproxy.ts'
import { until } from '../../test/support/until.ts'
import { HEADERS } from './rivals.ts'

export interface EdgeCpu {
  /** Microseconds of HAProxy's CPU per request. */
  readonly ours: number
  readonly baseline: number
  readonly ratio: number
}

// Many short rounds side by side: what else the machine does falls on both alike.
const PAIRS = 24
const ROUND_SECONDS = 1
const CONNECTIONS = 32

/** Alternates short rounds of both, and gives the medians and the median of the ratios of neighbours; about a minute. */
export async function edgeCpu(): Promise<EdgeCpu> {
  const app = new Worker(new URL('./edge-cpu-app.ts', import.meta.url))
  const appPort = await new Promise<number>((resolve) => app.once('message', resolve))
  const ours = await startOurs(appPort)
  const baseline = await startBaseline(appPort)
  try {
    await measure(ours, ROUND_SECONDS)
    await measure(baseline, ROUND_SECONDS)
    const pairs: { readonly ours: number; readonly baseline: number }[] = []
    for (let round = 0; round < PAIRS; round += 1) {
      const oursFirst = round % 2 === 0
      const first = await measure(oursFirst ? ours : baseline, ROUND_SECONDS)
      const second = await measure(oursFirst ? baseline : ours, ROUND_SECONDS)
      pairs.push(oursFirst ? { ours: first, baseline: second } : { ours: second, baseline: first })
    }
    return {
      ours: median(pairs.map((pair) => pair.ours)),
      baseline: median(pairs.map((pair) => pair.baseline)),
      ratio: median(pairs.map((pair) => pair.ours / pair.baseline)),
    }
  } finally {
    await ours.stop()
    await baseline.stop()
    await app.terminate()
  }
}

interface Proxy {
  readonly port: number
  readonly worker: number
  stop(): Promise<void>
}

async function startOurs(appPort: number): Promise<Proxy> {
  const running = await startHaproxy()
  const edge = await haproxy.create(running.config, { log: silentLog })
  await edge.serve(aTable(1, [{ hosts: ['bench.test'], targets: [{ instance: 'i-1', address: '127.0.0.1', port: appPort, ready: true }] }]))
  const { current } = await new MasterSocket(masterSocketPath(running.config)).workers()
  if (current === null) throw new Error('HAProxy has no worker')
  return { port: running.config.httpPort, worker: current, stop: () => running.stop() }
}

async function startBaseline(appPort: number): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-bench-'))
  const port = await freePort()
  const path = join(folder, 'haproxy.cfg')
  await writeFile(path, baselineText(port, appPort))
  // In the foreground without a master: the process is the worker.
  const child = launch('haproxy', ['-db', '-f', path])
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await until('the baseline answers', () => once(port).then(Boolean, () => false))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
    await rm(folder, { recursive: true, force: true })
  }
  return { port, worker: child.pid ?? 0, stop }
}

/** What somebody would write by hand for one app. */
function baselineText(port: number, appPort: number): string {
  return `global
  nbthread 1
  fd-hard-limit 100000
  user haproxy
  group haproxy
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout tunnel 24h
  option http-keep-alive
  option http-no-delay
  option tcpka
  option redispatch 1
  retries 3
frontend edge
  bind 127.0.0.1:${port}
${HEADERS}  default_backend app
backend app
  server s1 127.0.0.1:${appPort} check inter 1s
`
}

/** Microseconds per request over one round. */
async function measure(proxy: Proxy, seconds: number): Promise<number> {
  const before = await cpuMicroseconds(proxy.worker)
  const requests = await drive(proxy.port, seconds)
  const after = await cpuMicroseconds(proxy.worker)
  return (after - before) / requests
}

/** Sends as much as it can and gives how many were answered: with wrk where it is installed, else from here. */
async function drive(port: number, seconds: number): Promise<number> {
  const wrk = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-H', 'Host: bench.test', `http://127.0.0.1:${port}/`]).catch(() => null)
  const counted = /(\d+) requests in/.exec(wrk?.stdout ?? '')?.[1]
  if (counted !== undefined) return Number(counted)
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const end = performance.now() + seconds * 1_000
  const lanes = Array.from({ length: CONNECTIONS }, async () => {
    let count = 0
    for (; performance.now() < end; count += 1) await once(port, agent)
    return count
  })
  const counts = await Promise.all(lanes)
  agent.destroy()
  return counts.reduce((sum, count) => sum + count, 0)
}

function once(port: number, agent: Agent | false = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent, headers: { host: 'bench.test' } })
    request.on('error', reject)
    request.on('response', (response) => {
      response.resume()
      response.on('end', () => (response.statusCode === 200 ? resolve(200) : reject(new Error(`status ${response.statusCode}`))))
    })
    request.end()
  })
}

/** Time on a processor, user and system: /proc/<pid>/schedstat has it in nanoseconds (stat only in hundredths of a second). */
async function cpuMicroseconds(pid: number): Promise<number> {
  const [nanoseconds] = (await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ')
  return Number(nanoseconds) / 1_000
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

if (import.meta.main) {
  const { ours, baseline, ratio } = await edgeCpu()
  console.log(`ours ${ours.toFixed(1)} µs, baseline ${baseline.toFixed(1)} µs of CPU per request: ${ratio.toFixed(3)} x`)
}
