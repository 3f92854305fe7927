// Other proxies beside the edge, each as its own documentation would have it: one worker, the headers the edge sets, connections
// to the app kept. N hostnames lead to a few apps; a change moves the first hostname to another app.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { haproxy } from '../../src/drivers/edge/haproxy/index.ts'
import { silentLog } from '../../src/lib/log.ts'
import { launch, run } from '../../src/lib/run.ts'
import { aTable } from '../../test/support/edge.ts'
import { freePort, startHaproxy } from '../../test/support/haproxy.ts'
import { until } from '../../test/support/until.ts'

export interface Rival {
  readonly port: number
  /** Sends the first hostname to another app; resolves when the proxy was told, which need not be when it does so. */
  move(app: number): Promise<void>
  stop(): Promise<void>
}

export interface Wanted {
  /** Hostnames h0.bench.test, h1.bench.test ... */
  readonly routes: number
  /** Ports of the apps; hostname number n leads to app n modulo their number. */
  readonly apps: readonly number[]
}

export const hostOf = (route: number): string => `h${route}.bench.test`

/** Where the hostname leads while the first one leads to `moved`. */
function appOf(wanted: Wanted, route: number, moved: number): number {
  return route === 0 ? moved : route % wanted.apps.length
}

/** The edge of Lockgate. */
export async function startEdge(wanted: Wanted): Promise<Rival> {
  const running = await startHaproxy()
  const edge = await haproxy.create(running.config, { log: silentLog })
  let generation = 0
  const move = async (moved: number): Promise<void> => {
    generation += 1
    const hosts = wanted.apps.map((): string[] => [])
    for (let route = 0; route < wanted.routes; route += 1) hosts[appOf(wanted, route, moved)]?.push(hostOf(route))
    const entries = wanted.apps.map((port, app) => ({
      hosts: hosts[app] ?? [],
      arm: `e-${app}/blue`,
      targets: [{ instance: `i-${app}`, address: '127.0.0.1', port, ready: true }],
    }))
    await edge.serve(aTable(generation, entries))
  }
  await move(0)
  return { port: running.config.httpPort, move, stop: () => running.stop() }
}

/** HAProxy with a file by hand: hostnames in a map, each change by a reload. */
export async function startPlainHaproxy(wanted: Wanted): Promise<Rival> {
  return startProgram({
    file: 'haproxy',
    args: (folder) => ['-W', '-f', join(folder, 'haproxy.cfg')],
    write: async ({ folder, port, moved }) => {
      const lines = Array.from({ length: wanted.routes }, (_, route) => `${hostOf(route)} app${appOf(wanted, route, moved)}\n`)
      await writeFile(join(folder, 'hosts.map'), lines.join(''))
      await writeFile(join(folder, 'haproxy.cfg'), haproxyText({ folder, port, apps: wanted.apps }))
    },
    tell: async (pid) => void process.kill(pid, 'SIGUSR2'),
  })
}

/** What everyone before an app says of a visitor, as rules of HAProxy: the same as the edge's. */
export const HEADERS = `  unique-id-format %{+X}o%pid-%Ts-%rt
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request del-header Forwarded
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Request-Id %[unique-id]
  http-response set-header X-Request-Id %[unique-id]
`

function haproxyText({ folder, port, apps }: { readonly folder: string; readonly port: number; readonly apps: readonly number[] }): string {
  return `global
  nbthread 1
  fd-hard-limit 100000
  stats socket ${folder}/admin.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  option http-keep-alive
frontend edge
  bind 127.0.0.1:${port}
${HEADERS}  use_backend %[req.hdr(host),map_str(${folder}/hosts.map,none)]
${apps.map((app, number) => `backend app${number}\n  server s1 127.0.0.1:${app}\n`).join('')}`
}

/** nginx with a server block for each hostname. */
export async function startNginx(wanted: Wanted): Promise<Rival> {
  return startProgram({
    file: 'nginx',
    args: (folder) => ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    write: async ({ folder, port, moved }) => {
      const upstreams = wanted.apps.map((app, number) => `  upstream app${number} { server 127.0.0.1:${app}; keepalive 64; }\n`)
      const servers = Array.from(
        { length: wanted.routes },
        (_, route) =>
          `  server { listen 127.0.0.1:${port}; server_name ${hostOf(route)}; location / { proxy_pass http://app${appOf(wanted, route, moved)}; } }\n`,
      )
      await writeFile(
        join(folder, 'nginx.conf'),
        `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  server_names_hash_max_size 65536;
  keepalive_requests 1000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $host;
  proxy_set_header X-Forwarded-Port $server_port;
  proxy_set_header Forwarded "";
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Request-Id $request_id;
  add_header X-Request-Id $request_id;
${upstreams.join('')}${servers.join('')}}
`,
      )
    },
    tell: async (pid) => void process.kill(pid, 'SIGHUP'),
  })
}

/** Caddy with a route for each hostname, changed through its admin API. */
export async function startCaddy(wanted: Wanted): Promise<Rival> {
  const admin = await freePort()
  const handle = (app: number): unknown => ({ handler: 'reverse_proxy', upstreams: [{ dial: `127.0.0.1:${wanted.apps[app]}` }] })
  return startProgram({
    file: 'caddy',
    args: (folder) => ['run', '--config', join(folder, 'caddy.json')],
    env: { GOMAXPROCS: '1' },
    write: async ({ folder, port, moved, isFirst }) => {
      if (!isFirst) return
      const routes = Array.from({ length: wanted.routes }, (_, route) => ({
        match: [{ host: [hostOf(route)] }],
        handle: [handle(appOf(wanted, route, moved))],
      }))
      const server = { listen: [`127.0.0.1:${port}`], automatic_https: { disable: true }, routes }
      const config = {
        admin: { listen: `127.0.0.1:${admin}` },
        logging: { logs: { default: { level: 'ERROR' } } },
        apps: { http: { servers: { edge: server } } },
      }
      await writeFile(join(folder, 'caddy.json'), JSON.stringify(config))
    },
    tell: async (_pid, moved) => {
      const answer = await fetch(`http://127.0.0.1:${admin}/config/apps/http/servers/edge/routes/0/handle/0`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(handle(moved)),
      })
      if (!answer.ok) throw new Error(`Caddy said ${answer.status}: ${await answer.text()}`)
    },
  })
}

interface Program {
  readonly file: string
  readonly args: (folder: string) => readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly write: (at: { readonly folder: string; readonly port: number; readonly moved: number; readonly isFirst: boolean }) => Promise<void>
  readonly tell: (pid: number, moved: number) => Promise<void>
}

async function startProgram(program: Program): Promise<Rival> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-bench-'))
  const port = await freePort()
  await program.write({ folder, port, moved: 0, isFirst: true })
  const child = launch(program.file, program.args(folder), { env: { HOME: folder, ...program.env } })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2_000)
    })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await until(`${program.file} answers`, () => ask(port).then(Boolean, () => false), 60_000).catch((cause: unknown) => {
    throw new Error(`${program.file} does not start: ${said}`, { cause })
  })
  return {
    port,
    move: async (moved) => {
      await program.write({ folder, port, moved, isFirst: false })
      await program.tell(child.pid ?? 0, moved)
    },
    stop: async () => {
      child.kill('SIGTERM')
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What the first hostname's app says, on a connection of its own. */
export function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent: false, headers: { host: hostOf(0) } })
    request.on('error', reject)
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(`status ${response.statusCode}`))))
    })
    request.end()
  })
}

/** Debian's nginx, Caddy and wrk, where they are missing: only who measures needs them. */
export async function ensureRivals(): Promise<void> {
  const missing: string[] = []
  for (const [program, debian] of Object.entries({ nginx: 'nginx-light', caddy: 'caddy', wrk: 'wrk' })) {
    const found = await run('which', [program], { anyStatus: true })
    if (found.status !== 0) missing.push(debian)
  }
  if (missing.length === 0) return
  process.stderr.write(`· installing ${missing.join(', ')}\n`)
  // In runlevel 1 Debian starts no service of theirs.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  await run('apt-get', ['update', '-q'], { env, timeoutMs: 180_000 })
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], { env, timeoutMs: 300_000 })
}

/** Apps that answer with their number, quicker than any proxy before them. */
export async function startApps(count: number): Promise<{ readonly ports: readonly number[]; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-bench-'))
  const ports: number[] = []
  for (let app = 0; app < count; app += 1) ports.push(await freePort())
  const fronts = ports.map(
    (port, app) => `frontend app${app}\n  bind 127.0.0.1:${port}\n  http-request return status 200 content-type text/plain string "app ${app}"\n`,
  )
  const path = join(folder, 'haproxy.cfg')
  await writeFile(path, `global\n  nbthread 1\n  fd-hard-limit 20000\ndefaults\n  mode http\n  timeout client 60s\n${fronts.join('')}`)
  const child = launch('haproxy', ['-db', '-f', path])
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await until('the apps answer', () => ask(ports.at(-1) ?? 0).then(Boolean, () => false))
  return {
    ports,
    stop: async () => {
      child.kill('SIGKILL')
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}
