// An app that runs beside builds and must not notice them: asked all the time, every answer counted.
import { Agent, get } from 'node:http'
import { DEFAULT_RUN_SPEC } from '../../src/core/artifact/artifact.ts'
import type { Boxes, InstanceSpec, Runtime } from '../../src/drivers/runtime/types.ts'
import { pause } from '../../src/lib/clock.ts'
import { testImage } from './images.ts'
import { until } from './until.ts'

const EVERY_MS = 20
const PORT = 9000

export interface Bystander {
  readonly address: string
  readonly port: number
  /** Since the last call. */
  report(): { readonly answers: number; readonly failed: number; readonly p99Ms: number; readonly worstMs: number }
  stop(): Promise<void>
}

/** Starts one as an instance of its own environment, in `<prefix>.0/26`, and begins to ask. */
export async function startBystander(parts: { readonly runtime: Runtime; readonly boxes: Boxes }, installation: string, prefix: string): Promise<Bystander> {
  const { runtime, boxes } = parts
  const environmentId = 'e-bystander'
  const { digest } = await runtime.resolveImage(await testImage(boxes, 'hello'))
  const spec: InstanceSpec = {
    name: `lockgate-${installation}-bystander`,
    kind: 'instance',
    projectId: 'p-test',
    environmentId,
    set: 1,
    ordinal: 1,
    key: 'bystander',
    digest,
    reference: null,
    command: null,
    env: { PORT: String(PORT) },
    address: `${prefix}.3`,
    subnet: { environmentId, projectId: 'p-test', cidr: `${prefix}.0/26`, gateway: `${prefix}.1` },
    limits: DEFAULT_RUN_SPEC.limits,
    stopSignal: 'SIGTERM',
    stopGraceMs: 5_000,
    keepAlive: false,
  }
  await runtime.ensure(spec)
  await runtime.start(spec.name)
  const url = `http://${prefix}.3:${PORT}/`
  await until('the bystander answers', () =>
    ask(url).then(
      () => true,
      () => false,
    ),
  )
  const stopped = new AbortController()
  let times: number[] = []
  let failed = 0
  const asking = (async () => {
    while (!stopped.signal.aborted) {
      const startedAt = performance.now()
      await ask(url).then(
        () => times.push(performance.now() - startedAt),
        () => failed++,
      )
      await pause(EVERY_MS, stopped.signal)
    }
  })()
  return {
    address: `${prefix}.3`,
    port: PORT,
    report: () => {
      const sorted = times.toSorted((a, b) => a - b)
      const report = { answers: times.length, failed, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, worstMs: sorted.at(-1) ?? 0 }
      times = []
      failed = 0
      return report
    },
    stop: async () => {
      stopped.abort()
      await asking
      await runtime.remove(spec.name)
      await runtime.removeNetwork(environmentId)
    },
  }
}

/** A new connection each time: that is what a machine without processes or memory refuses first. */
function ask(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: new Agent({ keepAlive: false }), timeout: 5_000 }, (response) => {
      response.resume()
      response.once('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`))))
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
  })
}
