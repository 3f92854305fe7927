import { endpoints } from '../../src/api/contract/endpoints.ts'
import { ask } from '../../test/support/edge.ts'
import { testImage } from '../../test/support/images.ts'
import { anInstallation } from '../../test/support/installation.ts'
import { type Figure, median, ms } from './figure.ts'

const ROUNDS = 5

/** From the word to full traffic: every answer comes from the old release again. */
export async function rollback(): Promise<Figure[]> {
  const lockgate = await anInstallation({ range: '10.222.0.0/16', built: true })
  try {
    await lockgate.call(endpoints.createApp, { body: { name: 'shop' } })
    const images = [await testImage(lockgate.boxes, 'hello', 'one'), await testImage(lockgate.boxes, 'hello', 'two')]
    await lockgate.deploy('shop', { verb: 'deploy', image: images[0] ?? '' })
    const times: number[] = []
    const raws: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await lockgate.deploy('shop', { verb: 'deploy', image: images[1] ?? '' })
      const began = performance.now()
      const { deployment } = await lockgate.call(endpoints.openDeployment, {
        params: { app: 'shop', environment: 'production' } as never,
        body: { verb: 'rollback' },
      })
      while ((await ask(lockgate.edge.config.httpPort, 'shop.localhost')).headers['x-version'] !== 'one');
      times.push(performance.now() - began)
      const live = await lockgate.ended(deployment?.id ?? '')
      raws.push((live.steps.find((step) => step.kind === 'start')?.seconds ?? 0) * 1_000)
    }
    return [
      {
        what: 'rollback to full traffic, image on the machine',
        measured: `${ms(median(times))} (median of ${ROUNDS}, slowest ${ms(Math.max(...times))})`,
        beside: `of that its start step (container, two good probes) ${ms(median(raws))}`,
        reach: '≤ 3 s',
        reached: Math.max(...times) <= 3_000,
      },
    ]
  } finally {
    await lockgate.stop()
  }
}
