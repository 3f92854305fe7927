// Requests that fail while ten deployments run one after another, and how long the others take.
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { pause } from '../../src/lib/clock.ts'
import { formatReport, startDisruption } from '../../test/support/disruption/index.ts'
import type { Report, Tally } from '../../test/support/disruption/types.ts'
import { testImage } from '../../test/support/images.ts'
import { anInstallation, type Installation } from '../../test/support/installation.ts'
import { type Figure, ms } from './figure.ts'

const RATE = 500
const DEPLOYMENTS = 10
const REST_SECONDS = 10

/** Rolling with two instances and blue-green with one, at 500 requests a second. */
export async function deployments(): Promise<Figure[]> {
  const lockgate = await anInstallation({ range: '10.220.0.0/16', built: true })
  try {
    const images = [await testImage(lockgate.boxes, 'hello', 'one'), await testImage(lockgate.boxes, 'hello', 'two')]
    return [...(await series(lockgate, { name: 'rolling', count: 2, images })), ...(await series(lockgate, { name: 'blue-green', count: 1, images }))]
  } finally {
    await lockgate.stop()
  }
}

async function series(lockgate: Installation, how: { readonly name: string; readonly count: number; readonly images: readonly string[] }): Promise<Figure[]> {
  const app = `bench-${how.count}`
  await lockgate.call(endpoints.createApp, { body: { name: app } })
  await lockgate.deploy(app, { verb: 'scale', count: how.count })
  await lockgate.deploy(app, { verb: 'deploy', image: how.images[0] ?? '' })
  const target = { port: lockgate.edge.config.httpPort, host: `${app}.localhost`, rate: RATE, kinds: ['new', 'kept'] as const }
  const rest = await startDisruption(target)
  await pause(REST_SECONDS * 1_000)
  const atRest = await rest.stop()
  const clients = await startDisruption(target)
  const began = performance.now()
  for (let turn = 1; turn <= DEPLOYMENTS; turn++) await lockgate.deploy(app, { verb: 'deploy', image: how.images[turn % how.images.length] ?? '' })
  const seconds = (performance.now() - began) / 1_000
  const during = await clients.stop()
  process.stderr.write(`${formatReport(during)}\n`)
  return [figure(how.name, { atRest, during, seconds }, 'new'), figure(how.name, { atRest, during, seconds }, 'kept')]
}

function figure(name: string, run: { readonly atRest: Report; readonly during: Report; readonly seconds: number }, kind: 'new' | 'kept'): Figure {
  const rest: Tally | undefined = run.atRest.kinds[kind]
  const during: Tally | undefined = run.during.kinds[kind]
  const p99 = during?.p99 ?? Number.NaN
  const bound = Math.max(2 * (rest?.p99 ?? 0), (rest?.p99 ?? 0) + 50)
  return {
    what: `${name}, ${DEPLOYMENTS} deployments, ${kind === 'new' ? 'new' : 'kept-alive'} connections`,
    measured: `${during?.failed} of ${during?.sent} failed, p99 ${ms(p99)}, ${(run.seconds / DEPLOYMENTS).toFixed(1)} s each`,
    beside: `at rest: ${rest?.failed} of ${rest?.sent} failed, p99 ${ms(rest?.p99 ?? 0)}`,
    reach: `0 failed, p99 ≤ ${ms(bound)}`,
    reached: during?.failed === 0 && p99 <= bound,
  }
}
