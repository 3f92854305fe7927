// The same deployment by Lockgate and by what people have otherwise, under the same clients in one run.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../src/lib/clock.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { formatReport, startDisruption } from '../../test/support/disruption/index.ts'
import type { Report } from '../../test/support/disruption/types.ts'
import { testImage } from '../../test/support/images.ts'
import { anInstallation } from '../../test/support/installation.ts'
import { ROOT } from '../setup/places.ts'
import type { Contender, Seen } from './contenders/contender.ts'
import { dockerContender } from './contenders/docker.ts'
import { kubernetesContender } from './contenders/kubernetes.ts'
import { lockgateContender } from './contenders/lockgate.ts'
import { swarmContender } from './contenders/swarm.ts'
import { type Figure, ms } from './figure.ts'

const RATE = 300
const REST_SECONDS = 10
/** So long that 25,000 requests are sent beside Lockgate's deployments; the others show themselves sooner. */
const SECONDS = { ours: 90, others: 20 } as const
const PRESTOP_SECONDS = 5

/** Scripts that start a Swarm and a Kubernetes on this machine stand beside this folder, or where LOCKGATE_TESTBED says. */
const TESTBED = process.env['LOCKGATE_TESTBED'] ?? join(ROOT, '..', 'shared', 'testbed')

/** Failed requests, seconds and p99 of the same deployment, and how long going back takes. */
export async function compare(): Promise<Figure[]> {
  const lockgate = await anInstallation({ range: '10.224.0.0/16', built: true })
  const figures: Figure[] = []
  try {
    const images = [await testImage(lockgate.boxes, 'hello', 'one'), await testImage(lockgate.boxes, 'hello', 'two')]
    const ours = [
      await run(() => lockgateContender(lockgate, 'rolling'), SECONDS.ours),
      await run(() => lockgateContender(lockgate, 'blue-green'), SECONDS.ours),
    ]
    const swarm = join(TESTBED, 'swarm', 'swarm')
    const kubernetes = join(TESTBED, 'kubernetes', 'kubernetes')
    const others = [
      await run(() => dockerContender(images), SECONDS.others),
      await run(() => there(swarm) ?? swarmContender(swarm, images), SECONDS.others),
      await run(() => there(kubernetes) ?? kubernetesContender(kubernetes, images, 0), SECONDS.others),
      await run(() => there(kubernetes) ?? kubernetesContender(kubernetes, images, PRESTOP_SECONDS), SECONDS.others),
    ]
    for (const one of ours) figures.push(figure(one, true))
    for (const one of others) figures.push(figure(one, false))
  } finally {
    await lockgate.stop()
  }
  return figures
}

function there(script: string): null {
  if (!existsSync(script)) throw new Error(`${script} is not there`)
  return null
}

async function run(make: () => Promise<Contender>, seconds: number): Promise<Seen | string> {
  let contender: Contender | null = null
  try {
    contender = await make()
    process.stderr.write(`· ${contender.name}\n`)
    return await watch(contender, seconds)
  } catch (error) {
    return `${contender?.name ?? 'one of them'} did not run here: ${messageOf(error).slice(0, 300)}`
  } finally {
    await contender?.stop().catch((error: unknown) => process.stderr.write(`${messageOf(error)}\n`))
  }
}

async function watch(contender: Contender, seconds: number): Promise<Seen> {
  const target = { port: contender.port, host: contender.host, rate: RATE, kinds: ['new', 'kept'] as const }
  const rest = await startDisruption(target)
  await pause(REST_SECONDS * 1_000)
  const atRest = await rest.stop()
  const clients = await startDisruption(target)
  const began = performance.now()
  let deployments = 0
  for (; performance.now() - began < seconds * 1_000 || deployments < 2; deployments++) await contender.deploy(deployments % 2 === 0 ? 1 : 0)
  const took = (performance.now() - began) / 1_000 / deployments
  const during = await clients.stop()
  process.stderr.write(`${formatReport(during)}\n`)
  if (deployments % 2 === 0) await contender.deploy(1)
  const back = performance.now()
  await contender.rollback()
  return { name: contender.name, atRest, during, seconds: took, rollbackSeconds: (performance.now() - back) / 1_000 }
}

function p99(report: Report): number {
  return Math.max(...Object.values(report.kinds).map((tally) => tally.p99))
}

function figure(seen: Seen | string, isOurs: boolean): Figure {
  if (typeof seen === 'string') return { what: seen, measured: '–', beside: '–', reach: 'beside it', reached: !isOurs }
  const rest = p99(seen.atRest)
  const bound = Math.max(2 * rest, rest + 50)
  const { sent, failed } = seen.during
  return {
    what: seen.name,
    measured: `${failed} of ${sent} failed, p99 ${ms(p99(seen.during))}, ${seen.seconds.toFixed(1)} s each, rollback ${seen.rollbackSeconds.toFixed(1)} s`,
    beside: `at rest: ${seen.atRest.failed} of ${seen.atRest.sent} failed, p99 ${ms(rest)}`,
    reach: isOurs ? `0 of ≥ 25,000, p99 ≤ ${ms(bound)}` : 'beside it',
    reached: !isOurs || (failed === 0 && sent >= 25_000 && p99(seen.during) <= bound),
  }
}
