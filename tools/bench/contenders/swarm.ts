// `docker service update` on a Swarm of machines, each a network namespace with an engine of its own (the testbed's script):
// ports published in host mode, HAProxy with health checks in front.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../../src/lib/run.ts'
import { COUNT, type Contender } from './contender.ts'
import { aFront } from './front.ts'
import { testbed } from './testbed.ts'

const PORT = 8088

/** Where netfilter sees what passes a bridge, an engine beside it lets nothing pass that it does not know: the cables of these machines. */
const PASSES = ['FORWARD', '--in-interface', 'testbed-swarm', '--jump', 'ACCEPT'] as const

/** `script`: the testbed's swarm; `images`: the two releases, in this machine's engine. */
export async function swarmContender(script: string, images: readonly string[]): Promise<Contender> {
  await run('iptables', ['--insert', ...PASSES])
  const down = async (): Promise<void> => {
    await testbed(script, ['down']).finally(() => run('iptables', ['--delete', ...PASSES]))
  }
  try {
    return await served(script, images, down)
  } catch (error) {
    await down()
    throw error
  }
}

async function served(script: string, images: readonly string[], down: () => Promise<void>): Promise<Contender> {
  await testbed(script, ['up', String(COUNT)], 300_000)
  const on = (machine: number, ...args: string[]) => testbed(script, ['docker', String(machine), ...args])
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-bench-'))
  for (const image of images) {
    const file = join(folder, 'image.tar')
    await run('docker', ['save', '-o', file, image], { timeoutMs: 180_000 })
    for (let machine = 1; machine <= COUNT; machine++) await on(machine, 'load', '-i', file)
  }
  await rm(folder, { recursive: true, force: true })
  await on(
    1,
    'service',
    'create',
    '-d',
    '--no-resolve-image',
    '--name',
    'shop',
    '--replicas',
    String(COUNT),
    ...['--publish', `mode=host,target=8080,published=${PORT}`],
    images[0] ?? '',
  )
  const front = await aFront(Array.from({ length: COUNT }, (_, at) => `10.96.0.1${at + 1}:${PORT}`))
  return {
    name: 'docker service update (Swarm)',
    port: front.port,
    host: 'bench.test',
    deploy: async (release) =>
      void (await on(1, 'service', 'update', '--detach=false', '--quiet', '--no-resolve-image', '--image', images[release] ?? '', 'shop')),
    rollback: async () => void (await on(1, 'service', 'update', '--detach=false', '--quiet', '--rollback', 'shop')),
    stop: async () => {
      await front.stop()
      await down()
    },
  }
}
