// A rolling update of a Deployment on a one-node Kubernetes (the testbed's script), through its Service.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../../src/lib/run.ts'
import { COUNT, type Contender } from './contender.ts'
import { aFront } from './front.ts'
import { testbed } from './testbed.ts'

const PORT = 30_088

/** `script`: the testbed's kubernetes; `preStopSeconds`: how long a pod that is to end still serves, as its users advise; 0: not. */
export async function kubernetesContender(script: string, images: readonly string[], preStopSeconds: number): Promise<Contender> {
  await testbed(script, ['up'], 600_000)
  const kubectl = (...args: string[]) => testbed(script, ['kubectl', ...args])
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-bench-'))
  for (const image of images) {
    const file = join(folder, 'image.tar')
    await run('docker', ['save', '-o', file, image], { timeoutMs: 180_000 })
    await testbed(script, ['load', file])
  }
  const manifest = join(folder, 'shop.json')
  await writeFile(manifest, JSON.stringify(objects(images[0] ?? '', preStopSeconds)))
  await kubectl('apply', '-f', manifest)
  await rm(folder, { recursive: true, force: true })
  const done = (): Promise<unknown> => kubectl('rollout', 'status', 'deployment/shop', '--timeout=120s')
  await done()
  const front = await aFront([`10.99.0.1:${PORT}`], '')
  return {
    name: `Kubernetes rolling update${preStopSeconds > 0 ? ', with preStop' : ''}`,
    port: front.port,
    host: 'bench.test',
    deploy: async (release) => {
      await kubectl('set', 'image', 'deployment/shop', `shop=docker.io/${images[release] ?? ''}`)
      await done()
    },
    rollback: async () => {
      await kubectl('rollout', 'undo', 'deployment/shop')
      await done()
    },
    stop: async () => {
      await front.stop()
      await kubectl('delete', 'deployment/shop', 'service/shop', '--wait=false')
      await testbed(script, ['down'])
    },
  }
}

function objects(image: string, preStopSeconds: number): object {
  const container = {
    name: 'shop',
    image: `docker.io/${image}`,
    imagePullPolicy: 'Never',
    ports: [{ containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
    ...(preStopSeconds > 0 ? { lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } } } : {}),
  }
  const labels = { app: 'shop' }
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'shop' },
        spec: {
          replicas: COUNT,
          selector: { matchLabels: labels },
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
          template: { metadata: { labels }, spec: { containers: [container] } },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'shop' },
        spec: { type: 'NodePort', selector: labels, ports: [{ port: 8080, targetPort: 8080, nodePort: PORT }] },
      },
    ],
  }
}
