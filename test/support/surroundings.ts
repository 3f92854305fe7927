// An app that serves, asked all the time, and a server whose API is asked all the time, while something around them fails.
import { expect, type TestContext } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { pause } from '../../src/lib/clock.ts'
import { formatReport, startDisruption } from './disruption/index.ts'
import type { Report } from './disruption/types.ts'
import type { Installation, Live } from './installation.ts'
import { tell } from './proof.ts'

export interface Meter {
  /** Milliseconds of each answer until now; those that were refused are not among them. */
  readonly p99Ms: number
  readonly answers: number
  readonly refused: number
}

/** Asks the API what an app is doing, over and over. */
export function measureApi(lockgate: Installation, app: string): { stop(): Promise<Meter> } {
  const stopped = new AbortController()
  const times: number[] = []
  let refused = 0
  const asking = (async () => {
    while (!stopped.signal.aborted) {
      const began = performance.now()
      await lockgate.status(app).then(
        () => times.push(performance.now() - began),
        () => refused++,
      )
      await pause(40, stopped.signal)
    }
  })()
  return {
    stop: async () => {
      stopped.abort()
      await asking
      const sorted = times.toSorted((a, b) => a - b)
      return { p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, answers: times.length, refused }
    },
  }
}

export interface Under {
  readonly app: string
  readonly host: string
  readonly task: TestContext['task']
  /** Reasons of failed requests that the fault itself explains; none where it is left out. */
  readonly allowed?: readonly RegExp[]
}

/** Runs something while visitors ask the app; asserts that none of them failed but as allowed, and tells the figures. */
export async function underLoad<T>(lockgate: Installation, under: Under, work: () => Promise<T>): Promise<{ readonly result: T; readonly report: Report }> {
  const clients = await startDisruption({ port: lockgate.edge.config.httpPort, host: under.host, rate: 60, kinds: ['new', 'kept'] })
  let report: Report
  let result: T
  try {
    result = await work()
  } finally {
    report = await clients.stop()
  }
  tell(under.task, { sent: report.sent, failed: report.failed })
  const reasons = Object.values(report.kinds).flatMap((kind) => Object.keys(kind.reasons))
  expect(
    reasons.filter((reason) => !(under.allowed ?? []).some((one) => one.test(reason))),
    formatReport(report),
  ).toEqual([])
  return { result, report }
}

/** Opens a deployment and gives its id. */
export async function begin(lockgate: Installation, app: string, body: Parameters<Installation['deploy']>[1]): Promise<string> {
  const { deployment } = await lockgate.call(endpoints.openDeployment, { params: { app, environment: 'production' } as never, body })
  return deployment?.id ?? ''
}

/** An app with a release live. */
export async function aServedApp(lockgate: Installation, name: string, release: { readonly image: string; readonly manifest?: string }): Promise<string> {
  const host = await lockgate.create(name)
  const live = await lockgate.deploy(name, { verb: 'deploy', ...release })
  expect(live.deployment, live.deployment.message).toMatchObject({ status: 'succeeded' })
  return host
}

/** Asserts how a deployment ended. */
export function expectSucceeded(live: Live): void {
  expect(live.deployment, live.deployment.message).toMatchObject({ status: 'succeeded', blocked: null })
}
