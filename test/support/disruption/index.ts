import { Worker } from 'node:worker_threads'
import { reportOf, type Step } from './report.ts'
import type { DisruptionOptions, Outcome, Report } from './types.ts'

export { formatReport } from './report.ts'

export interface Disruption {
  /** From here on requests belong to this step. */
  mark(name: string): void
  /** No new requests; waits for those under way and gives the count. */
  stop(): Promise<Report>
}

type Message = { readonly kind: 'started' } | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] }

/** Starts sending at a fixed rate, whatever the answers; nothing is repeated. Resolves when the first request is under way. */
export async function startDisruption(options: DisruptionOptions): Promise<Disruption> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: options })
  const next = (kind: Message['kind']) =>
    new Promise<Message>((resolve, reject) => {
      worker.on('error', reject)
      worker.on('message', (message: Message) => message.kind === kind && resolve(message))
    })
  await next('started')
  const marks = [{ name: 'before', at: performance.now() }]
  return {
    mark: (name) => {
      marks.push({ name, at: performance.now() })
      worker.postMessage({ kind: 'mark', step: marks.length - 1 })
    },
    stop: async () => {
      const ended = performance.now()
      const reported = next('outcomes')
      worker.postMessage({ kind: 'stop', step: marks.length - 1 })
      const message = await reported
      const steps = marks.map(({ name, at }, index): Step => ({ name, seconds: ((marks[index + 1]?.at ?? ended) - at) / 1_000 }))
      await worker.terminate()
      return reportOf(message.kind === 'outcomes' ? message.outcomes : [], steps)
    },
  }
}
