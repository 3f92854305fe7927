// Looks on while something happens: how many instances of an app run, and which version answers, one question after another.
import { pause } from '../../src/lib/clock.ts'
import { ask } from './edge.ts'
import type { Installation } from './installation.ts'

export interface Watched {
  /** The fewest instances that were up at any look. */
  readonly fewest: number
  /** Versions in the order they answered; the same one again is not repeated. */
  readonly versions: readonly string[]
}

export interface Watcher {
  stop(): Promise<Watched>
}

/** Starts to look, until it is stopped. The engine and the edge are asked, never the server. */
export function watchApp(lockgate: Pick<Installation, 'edge' | 'runtime'>, app: { readonly host: string; readonly environmentId: string }): Watcher {
  const stopped = new AbortController()
  const versions: string[] = []
  let fewest = Number.POSITIVE_INFINITY
  const instances = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const observed = await lockgate.runtime.observe(app.environmentId)
      fewest = Math.min(fewest, observed.filter((one) => one.kind === 'instance' && one.state === 'running').length)
      await pause(100, stopped.signal)
    }
  }
  const answers = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const answer = await ask(lockgate.edge.config.httpPort, app.host)
      const version = String(answer.headers['x-version'] ?? `status ${answer.status}`)
      if (versions.at(-1) !== version) versions.push(version)
      await pause(20, stopped.signal)
    }
  }
  const both = Promise.all([instances(), answers()])
  return {
    stop: async () => {
      stopped.abort()
      await both
      return { fewest, versions }
    },
  }
}
