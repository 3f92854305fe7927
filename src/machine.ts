import { access, constants } from 'node:fs/promises'
import { connect } from 'node:net'
import { messageOf } from './lib/errors.ts'
import { edgeConfig, type Settings } from './settings.ts'

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
  return [await disk(freeBytes), await dataDirectory(settings), await edgePort(settings), clock()]
}

async function disk(freeBytes: () => Promise<number>): Promise<MachineCheck> {
  try {
    const free = await freeBytes()
    const gb = (free / 1024 ** 3).toFixed(1)
    return {
      area: 'disk',
      name: 'free space',
      ok: free >= LEAST_FREE_BYTES,
      sentence: free >= LEAST_FREE_BYTES ? `${gb} GB free` : `only ${gb} GB free; no build starts below 1 GB. Remove apps or images that nobody needs`,
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
  const port = Number(edgeConfig(settings)['httpPort'])
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
