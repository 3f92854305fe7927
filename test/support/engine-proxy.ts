// The engine's socket with a tap: what goes through it can be held back, refused or failed, from a certain request on. The real
// engine is shared with everything else on this machine, and is left alone.
import { connect, createServer, type Socket } from 'node:net'

/** hang: taken, and never answered. refuse: the connection is closed, as by an engine that is stopped. fail: answered with 500. */
export type EngineFault = 'hang' | 'refuse' | 'fail'

export interface EngineProxy {
  readonly socket: string
  /** From now on nothing gets through, in neither direction; connections are still taken. */
  hang(): void
  /** Everything that was held back goes on, and nothing is refused or failed any more. */
  resume(): void
  /**
   * The next request whose first line (`POST /v1.43/containers/create?name=…`) matches meets the fault, and so does everything
   * after it; of `fail` only those that match.
   */
  at(request: RegExp, fault: EngineFault): void
  /** How many requests have met a fault since the last `at`. */
  struck(): number
  close(): Promise<void>
}

interface State {
  hangs: boolean
  refuses: boolean
  trap: { readonly request: RegExp; readonly fault: EngineFault } | null
  struck: number
}

const FAILED = JSON.stringify({ message: 'the test says that the engine has a bad day' })
const REFUSAL = `HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: ${FAILED.length}\r\nConnection: close\r\n\r\n${FAILED}`

export async function startEngineProxy(path: string, target = '/var/run/docker.sock'): Promise<EngineProxy> {
  const open = new Set<Socket>()
  const held = new Set<() => void>()
  const state: State = { hangs: false, refuses: false, trap: null, struck: 0 }

  /** What becomes of a connection, by its first line; true: it goes on to the engine. */
  async function passes(near: Socket, line: string): Promise<boolean> {
    const { trap } = state
    if (trap?.request.test(line)) {
      state.struck += 1
      if (trap.fault === 'fail') near.end(REFUSAL)
      if (trap.fault === 'fail') return false
      state.hangs = trap.fault === 'hang'
      state.refuses = trap.fault === 'refuse'
      for (const socket of open) {
        if (state.hangs) socket.pause()
        else socket.destroy()
      }
    }
    if (state.refuses) near.destroy()
    if (state.hangs) await new Promise<void>((resolve) => held.add(resolve))
    return !near.destroyed
  }

  function join(near: Socket, first: Buffer): void {
    const far = connect(target)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.on('data', (chunk) => void (to.write(chunk) || from.pause()))
      from.on('drain', () => void (state.hangs || to.resume()))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
    far.write(first)
    near.resume()
  }

  const server = createServer((near) => {
    near.on('error', () => near.destroy())
    near.once('data', (first: Buffer) => {
      near.pause()
      void passes(near, first.toString('latin1').split('\r\n')[0] ?? '').then((goesOn) => goesOn && join(near, first))
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))

  const resume = (): void => {
    Object.assign(state, { hangs: false, refuses: false, trap: null })
    for (const go of held) go()
    held.clear()
    for (const socket of open) socket.resume()
  }
  return {
    socket: path,
    hang: () => {
      state.hangs = true
      for (const socket of open) socket.pause()
    },
    resume,
    at: (request, fault) => {
      state.struck = 0
      state.trap = { request, fault }
    },
    struck: () => state.struck,
    close: async () => {
      resume()
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
