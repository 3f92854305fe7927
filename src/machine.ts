import { access, constants, readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { messageOf } from './lib/errors.ts'
import { statsBelow } from './lib/files.ts'
import { listenersOn } from './lib/listeners.ts'
import { livePid } from './lib/pid-file.ts'
import { findProcesses } from './lib/processes.ts'
import type { Settings } from './settings.ts'

export interface MachineCheck {
  readonly area: string
  readonly name: string
  readonly ok: boolean
  readonly sentence: string
}

const LEAST_FREE_BYTES = 2 * 1024 ** 3
const STARTED = { wall: Date.now(), monotonic: performance.now() }

/** What doctor asks of the machine itself: disk, data directory, ports, clock. */
export async function machineChecks(settings: Settings, freeBytes: () => Promise<number>): Promise<MachineCheck[]> {
  return [
    await disk(freeBytes),
    await dataDirectory(settings),
    await edgePort(settings),
    await sharedPort(settings),
    clock(),
    ...(await supervisorChecks(settings)),
  ]
}

async function disk(freeBytes: () => Promise<number>): Promise<MachineCheck> {
  try {
    const free = await freeBytes()
    const gb = (free / 1024 ** 3).toFixed(1)
    return {
      area: 'disk',
      name: 'free space',
      ok: free >= LEAST_FREE_BYTES,
      sentence: free >= LEAST_FREE_BYTES ? `${gb} GB free` : `only ${gb} GB free; no build starts below 2 GB. Remove apps or images that nobody needs`,
    }
  } catch (error) {
    return { area: 'disk', name: 'free space', ok: false, sentence: messageOf(error) }
  }
}

async function dataDirectory(settings: Settings): Promise<MachineCheck> {
  const writable = await access(settings.dataDirectory, constants.W_OK | constants.R_OK).then(
    () => true,
    () => false,
  )
  return {
    area: 'data',
    name: 'directory',
    ok: writable,
    sentence: writable ? settings.dataDirectory : `${settings.dataDirectory} cannot be written; give it to the user the server runs as`,
  }
}

function edgePort(settings: Settings): Promise<MachineCheck> {
  const port = Number(settings.edge.config['httpPort'])
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 })
    const end = (ok: boolean): void => {
      socket.destroy()
      resolve({
        area: 'ports',
        name: `edge on ${port}`,
        ok,
        sentence: ok ? 'accepts connections' : `nothing accepts connections on port ${port}; bin/up starts the edge, --port chooses another port`,
      })
    }
    socket.on('connect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}

/** Two proxies on one port: the kernel gives each a part of the connections, and one of them does not know the routes. */
export async function sharedPort(settings: Pick<Settings, 'edge' | 'dataDirectory'>): Promise<MachineCheck> {
  const port = Number(settings.edge.config['httpPort'])
  const count = await listenersOn(port)
  return {
    area: 'ports',
    name: `only the edge on ${port}`,
    ok: count <= 1,
    sentence:
      count <= 1
        ? 'no other program shares the port'
        : `${count} sockets listen on port ${port} with the same address, so some requests go to another program. Find it with "ss -ltnp sport = :${port}" and stop it`,
  }
}

/** The wall clock against the monotonic one since the server started. */
function clock(): MachineCheck {
  const driftMs = Date.now() - STARTED.wall - (performance.now() - STARTED.monotonic)
  const ok = Math.abs(driftMs) < 60_000
  return {
    area: 'clock',
    name: 'steady',
    ok,
    sentence: ok
      ? 'has not jumped since the server started'
      : `has jumped by ${Math.round(driftMs / 1000)} s since the server started; let NTP keep it, tokens and records use it`,
  }
}

/**
 * One supervisor keeps the programs of a home. Only asked of a server that a supervisor started: its list of programs is there, and
 * its pid file of the server names this process. Under systemd, and where the server was started by hand, there is no supervisor.
 */
export async function supervisorChecks(settings: Pick<Settings, 'dataDirectory'>): Promise<MachineCheck[]> {
  const home = dirname(settings.dataDirectory)
  if (!(await isThere(join(home, 'processes.json'))) || livePid(join(home, 'run', 'server.pid'), 'node') !== process.pid) return []
  const isSupervisor = (args: readonly string[]): boolean => args.at(-1) === home && /^supervisor\.[jt]s$/.test(basename(args.at(-2) ?? ''))
  const running = await findProcesses(isSupervisor)
  const pids = running.map(({ pid }) => pid).join(', ')
  const sentence =
    running.length === 1
      ? `runs (pid ${pids})`
      : running.length === 0
        ? `no supervisor runs for ${home}: a server, an edge or an engine that ends is not started again. Run "bin/up --home ${home}"`
        : `${running.length} supervisors run for ${home} (pids ${pids}). Run "bin/down --home ${home}", then "bin/up --home ${home}"`
  return [{ area: 'machine', name: 'supervisor', ok: running.length === 1, sentence }]
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** What the folders of the data directory take, in bytes. */
interface FolderBytes {
  readonly repositories: ReadonlyMap<string, number>
  readonly logs: number
  readonly database: number
}

/** How many bytes the folders of the data directory take. */
export async function measureFolders(dataDirectory: string): Promise<FolderBytes> {
  const git = join(dataDirectory, 'git')
  const repositories = new Map<string, number>()
  for (const name of await readdir(git).catch(() => [])) if (name.endsWith('.git')) repositories.set(name.slice(0, -4), await bytesOf(join(git, name)))
  const own = (await readdir(dataDirectory)).filter((name) => name.startsWith('lockgate.db') || name === 'backups')
  const database = await Promise.all(own.map((name) => bytesOf(join(dataDirectory, name))))
  return { repositories, logs: await bytesOf(join(dataDirectory, 'logs')), database: database.reduce((sum, bytes) => sum + bytes, 0) }
}

/** Blocks of a file, or of all files below a folder; what goes away meanwhile counts nothing. */
async function bytesOf(path: string): Promise<number> {
  let bytes = 0
  for await (const { blocks } of statsBelow(path)) bytes += blocks * 512
  return bytes
}
