// The generator, in a thread of its own so that it and the test do not disturb each other. Open loop: a request starts when it
// is due, whether or not earlier ones have ended.
import { parentPort, workerData } from 'node:worker_threads'
import { openClient, send } from './requests.ts'
import type { DisruptionOptions, Kind, Outcome } from './types.ts'

const options = workerData as DisruptionOptions
const client = openClient(options)
const outcomes: Outcome[] = []
const open = new Set<Promise<void>>()
const state = { step: 0, stopping: false }

/** How many of a kind a second. */
function rateOf(kind: Kind): number {
  const short = options.kinds.filter((each) => each === 'new' || each === 'kept').length
  return kind === 'new' || kind === 'kept' ? options.rate / short : Math.max(1, options.rate / 50)
}

async function one(kind: Kind, due: number): Promise<void> {
  const lateMs = performance.now() - due
  const { step } = state
  const reason = await send(client, kind)
  outcomes.push({ kind, step, ms: performance.now() - due, lateMs, reason })
}

function start(kind: Kind): void {
  const gapMs = 1_000 / rateOf(kind)
  let due = performance.now() + Math.random() * gapMs
  const tick = (): void => {
    while (!state.stopping && due <= performance.now()) {
      const request = one(kind, due)
      open.add(request)
      void request.finally(() => open.delete(request))
      due += gapMs
    }
    if (!state.stopping) setTimeout(tick, Math.max(0, due - performance.now()))
  }
  tick()
}

parentPort?.on('message', (message: { readonly kind: 'mark' | 'stop'; readonly step: number }) => {
  state.step = message.step
  if (message.kind === 'mark') return
  state.stopping = true
  void Promise.all(open).then(() => {
    client.agent.destroy()
    parentPort?.postMessage({ kind: 'outcomes', outcomes })
    parentPort?.close()
  })
})
for (const kind of new Set(options.kinds)) start(kind)
parentPort?.postMessage({ kind: 'started' })
