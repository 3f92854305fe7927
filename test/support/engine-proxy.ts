// The engine's socket with a tap: what goes through it can be held back, as by an engine that hangs. The real engine is shared
// with everything else on this machine, and is left alone.
import { connect, createServer, type Socket } from 'node:net'

export interface EngineProxy {
  readonly socket: string
  /** From now on nothing gets through, in neither direction; connections are still taken. */
  hang(): void
  /** Everything that was held back goes on. */
  resume(): void
  close(): Promise<void>
}

export async function startEngineProxy(path: string): Promise<EngineProxy> {
  const open = new Set<Socket>()
  let hangs = false
  const server = createServer((near) => {
    const far = connect('/var/run/docker.sock')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.on('data', (chunk) => void (to.write(chunk) || from.pause()))
      from.on('drain', () => void (hangs || to.resume()))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
      if (hangs) from.pause()
    }
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    socket: path,
    hang: () => {
      hangs = true
      for (const socket of open) socket.pause()
    },
    resume: () => {
      hangs = false
      for (const socket of open) socket.resume()
    },
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
