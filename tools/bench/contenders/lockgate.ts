import { endpoints } from '../../../src/api/contract/endpoints.ts'
import { testImage } from '../../../test/support/images.ts'
import type { Installation } from '../../../test/support/installation.ts'
import { COUNT, type Contender } from './contender.ts'

/** Lockgate, rolling or blue-green, through its own edge. The release is not watched: what is measured is the deployment. */
export async function lockgateContender(lockgate: Installation, strategy: 'rolling' | 'blue-green'): Promise<Contender> {
  const app = `compare-${strategy}`
  const images = [await testImage(lockgate.boxes, 'hello', 'one'), await testImage(lockgate.boxes, 'hello', 'two')]
  const manifest = `strategy: ${strategy}\nwatch: {for: 0s}\n`
  const deploy = async (release: 0 | 1): Promise<void> => {
    const live = await lockgate.deploy(app, { verb: 'deploy', image: images[release] ?? '', manifest })
    if (live.deployment.status !== 'succeeded') throw new Error(live.deployment.message)
  }
  await lockgate.call(endpoints.createApp, { body: { name: app } })
  await lockgate.deploy(app, { verb: 'scale', count: COUNT })
  await deploy(0)
  return {
    name: `Lockgate, ${strategy}`,
    port: lockgate.edge.config.httpPort,
    host: `${app}.localhost`,
    deploy,
    rollback: async () => void (await lockgate.deploy(app, { verb: 'rollback' })),
    stop: async () => undefined,
  }
}
